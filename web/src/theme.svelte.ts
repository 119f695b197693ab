export type Theme = "system" | "light" | "dark";

const KEY = "etcdsnap-theme";
const ORDER: Theme[] = ["system", "light", "dark"];

/** The colour scheme: the system's, or the user's choice, which is stored if the browser allows it. */
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
      // A page from file:// may have no storage. The choice then lasts until the page is closed.
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
