export type Theme = "system" | "light" | "dark";

const KEY = "etcdsnap-theme";
const ORDER: Theme[] = ["system", "light", "dark"];

/** The colours that are shown: the system's, or the reader's own choice, remembered where the browser allows it. */
class ThemeChoice {
  current = $state<Theme>(stored());

  constructor() {
    this.apply();
  }

  next(): void {
    this.current = ORDER[(ORDER.indexOf(this.current) + 1) % ORDER.length] ?? "system";
    this.apply();
    try {
      localStorage.setItem(KEY, this.current);
    } catch {
      // A page from file:// may have no storage; the choice then lasts as long as the page.
    }
  }

  private apply(): void {
    document.documentElement.dataset["theme"] = this.current;
  }
}

function stored(): Theme {
  try {
    return ORDER.find((theme) => theme === localStorage.getItem(KEY)) ?? "system";
  } catch {
    return "system";
  }
}

export const theme = new ThemeChoice();
