// Fields that the tab remembers, and views on narrow screens.

const kept = ["system", "temperature", "max-tokens", "seed", "key"];

for (const id of kept) {
  const field = byId(id);
  // Where storage is forbidden, fields are forgotten with the page.
  try {
    field.value = sessionStorage.getItem(`martinet.${id}`) ?? "";
  } catch { /* as said */
  }
  field.addEventListener("input", () => {
    try {
      sessionStorage.setItem(`martinet.${id}`, field.value);
    } catch { /* as said */
    }
  });
}

function showSettings(isOpen) {
  byId("settings").hidden = !isOpen;
  byId("settings-button").setAttribute("aria-expanded", String(isOpen));
}
byId("settings-button").addEventListener("click", () => showSettings(byId("settings").hidden));

const tabs = ["chat", "cluster"].map((view) => byId(`tab-${view}`));

function showView(tab) {
  for (const other of tabs) {
    other.setAttribute("aria-selected", String(other === tab));
    other.tabIndex = other === tab ? 0 : -1;
  }
  document.body.dataset.view = tab.getAttribute("aria-controls");
  window.dispatchEvent(new Event("resize"));
}
tabs.forEach((tab, index) => {
  tab.addEventListener("click", () => showView(tab));
  tab.addEventListener("keydown", (event) => {
    if (event.key !== "ArrowLeft" && event.key !== "ArrowRight") return;
    const other = tabs[1 - index];
    showView(other);
    other.focus();
  });
});
document.body.dataset.view = "chat";
