/** The API reference: in the language and the theme that the page was given. */

import { translate } from "./preferences.js";

translate();
