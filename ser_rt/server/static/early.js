// Before anything is drawn: the theme and language chosen last time, so that nothing flickers.
{
  const { documentElement: root } = document;
  const stored = (name) => {
    try {
      return localStorage.getItem(`ser-rt.${name}`);
    } catch {
      return null;
    }
  };
  const theme = stored("theme");
  if (theme) root.dataset.theme = theme;
  root.lang = stored("language") ?? (navigator.language.startsWith("ko") ? "ko" : "en");
}
