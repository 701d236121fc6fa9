//! Panics of libraries that read what others wrote. Each becomes an error of the file.

use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind};

thread_local! {
    static CONTAINS_PANICS: Cell<bool> = const { Cell::new(false) };
}

/// Returns true while this thread calls such a library. A panic then becomes an error, so a panic hook need not report it.
pub fn contains_panics() -> bool {
    CONTAINS_PANICS.get()
}

/// The result of a call of a library.
///
/// # Errors
/// It panicked; the text is that of the panic.
pub fn contained<T>(call: impl FnOnce() -> T) -> Result<T, String> {
    let before = CONTAINS_PANICS.replace(true);
    let outcome = catch_unwind(AssertUnwindSafe(call));
    CONTAINS_PANICS.set(before);
    outcome.map_err(|panic| {
        let text = panic.downcast_ref::<String>().map(String::as_str).or_else(|| panic.downcast_ref::<&str>().copied());
        text.unwrap_or("no reason given").to_owned()
    })
}
