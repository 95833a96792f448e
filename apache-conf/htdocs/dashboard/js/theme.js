// SPDX-License-Identifier: Apache-2.0
// Loaded before anything is drawn, so that a chosen theme does not flash. "" follows the system.
(function () {
    var chosen = "";
    try {
        chosen = localStorage.getItem("theme") || "";
    } catch {
        /* storage is switched off */
    }
    if (chosen === "light" || chosen === "dark") document.documentElement.dataset.theme = chosen;
})();
