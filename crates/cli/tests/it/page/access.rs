//! The page for everybody: rules of axe-core, and the printed page.

use super::write_page;
use crate::browser::{Browser, tell};
use crate::program::small_run;
use serde_json::{Value, json};

/// The rules of axe-core 4 (WCAG 2.2 A and AA, and best practices) hold in light and dark, on a desk and on a phone. `STARLOOP_AXE` is the path
/// of its script. The script is not a part of this repository; `.ci/run` fetches it.
#[test]
fn no_rule_of_accessibility_is_broken() {
    let Some(script) = std::env::var_os("STARLOOP_AXE") else {
        return tell("SKIPPED the rules of accessibility: STARLOOP_AXE does not name axe-core's axe.min.js (npm pack axe-core)");
    };
    let Some(browser) = Browser::start("the rules of accessibility") else { return };
    let axe = std::fs::read_to_string(script).unwrap();
    let place = tempfile::tempdir().unwrap();
    let page = place.path().join("page.html");
    write_page(small_run(), &page, &[]);
    for (width, scheme) in [(1280, "light"), (1280, "dark"), (390, "light")] {
        let size = json!({"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width < 500});
        browser.devtools("Emulation.setDeviceMetricsOverride", &size);
        browser.devtools("Emulation.setEmulatedMedia", &json!({"features": [{"name": "prefers-color-scheme", "value": scheme}]}));
        browser.open(&page);
        browser.run(&axe);
        browser.run(
            "axe.run(document, { resultTypes: ['violations'] }).then(({ violations }) => {
                 window.broken = violations.map(({ id, nodes }) => `${id}: ${nodes.map(({ html }) => html.slice(0, 200)).join(' ')}`);
             })",
        );
        browser.wait_until("window.broken !== undefined");
        assert_eq!(browser.value("window.broken"), Value::Array(Vec::new()), "{width} pixels, {scheme}");
    }
}

/// The printed page has at most six sheets, and names the method and iteration of its figures.
#[test]
fn the_printed_page_is_short() {
    let Some(browser) = Browser::start("the printed page") else { return };
    let place = tempfile::tempdir().unwrap();
    let page = place.path().join("page.html");
    write_page(small_run(), &page, &[]);
    browser.open(&page);
    let sheets = browser.printed_sheets();
    assert!((1..=6).contains(&sheets), "{sheets}");
    browser.devtools("Emulation.setEmulatedMedia", &json!({"media": "print"}));
    let shown = |selector: &str| browser.value(&format!("document.querySelector('{selector}').checkVisibility()"));
    assert_eq!([shown("#rationales"), shown("nav"), shown("#details select")], [false, false, true].map(Value::Bool));
}
