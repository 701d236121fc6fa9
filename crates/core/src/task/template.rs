//! Text from a row of data: a Jinja template over the row's columns.
//!
//! Templates are strict: a column that the row lacks is an error that names it, because nobody would notice an empty place in a text.

use minijinja::syntax::SyntaxConfig;
use minijinja::value::Serde;
use minijinja::{Environment, ErrorKind, UndefinedBehavior};
use serde_json::{Map, Value};
use starloop_lm::files::contained::contained;
use starloop_lm::files::jinja;

/// The name of the one template in the engine.
const NAME: &str = "template";

/// The variable that holds the row itself, for columns whose names are no names in templates: `columns["Question Text"]`.
const COLUMNS: &str = "columns";

/// A parsed template.
#[derive(Debug, Clone)]
pub struct Template {
    environment: Environment<'static>,
    /// True if it asks for the row itself.
    asks_for_columns: bool,
}

impl Template {
    /// Parses a template.
    ///
    /// # Errors
    /// Its syntax is wrong; the text says where.
    pub fn parse(source: &str) -> Result<Self, String> {
        let mut environment = jinja::environment();
        environment.set_undefined_behavior(UndefinedBehavior::Strict);
        // A prompt may well end in a newline, which templates drop by themselves.
        let syntax = SyntaxConfig::builder().keep_trailing_newline(true).build().expect("the usual marks");
        environment.set_syntax(syntax);
        let prepared = jinja::prepared(source)?;
        contained(|| environment.add_template_owned(NAME, prepared)).map_err(|panic| failed(&panic))?.map_err(|error| describe(&error))?;
        let template = environment.get_template(NAME).expect("it was just added");
        let asks_for_columns = template.undeclared_variables(false).contains(COLUMNS);
        Ok(Template { environment, asks_for_columns })
    }

    /// The text that it gives for a row.
    ///
    /// # Errors
    /// The row lacks a column of the template. The text names the missing columns and those of the row.
    pub fn render(&self, row: &Map<String, Value>) -> Result<String, String> {
        let template = self.environment.get_template(NAME).expect("it was added when it was parsed");
        if self.asks_for_columns && !row.contains_key(COLUMNS) {
            let mut whole = row.clone();
            whole.insert(COLUMNS.to_owned(), row.clone().into());
            return self.render(&whole);
        }
        contained(|| template.render(Serde(row))).map_err(|panic| failed(&panic))?.map_err(|error| {
            let mut missing: Vec<String> =
                template.undeclared_variables(false).into_iter().filter(|name| !row.contains_key(name)).collect();
            if error.kind() != ErrorKind::UndefinedError || missing.is_empty() {
                return describe(&error);
            }
            missing.sort();
            let there: Vec<&str> = row.keys().map(String::as_str).collect();
            format!("the template asks for `{}`, but the row's columns are: {}", missing.join("`, `"), there.join(", "))
        })
    }
}

fn failed(panic: &str) -> String {
    format!("the template engine failed: {panic}")
}

fn describe(error: &minijinja::Error) -> String {
    let what = error.detail().map_or_else(|| error.kind().to_string(), str::to_owned);
    error.line().map_or_else(|| what.clone(), |line| format!("{what} (line {line} of the template)"))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_panic_of_the_engine_is_an_error() {
        let error = render("{% for i in [1] %}{{ loop.cycle() }}{% endfor %}", &json!({})).unwrap_err();
        assert!(error.starts_with("the template engine failed"), "{error}");
    }

    fn render(template: &str, row: &Value) -> Result<String, String> {
        Template::parse(&template.replace("ONES", &"+ 1".repeat(100_000)).replace("FILTERS", &"|abs".repeat(100_000)))?
            .render(row.as_object().unwrap())
    }

    #[test]
    fn columns_are_filled_in_whatever_they_hold() {
        let row = json!({"q": "2 < 3 & \"so\"?", "n": 3, "options": [{"label": "A", "text": "yes"}], "none": null});
        for (template, text) in [
            ("Q: {{ q }}\nA: {{ n }}", "Q: 2 < 3 & \"so\"?\nA: 3"),
            ("Target:\n", "Target:\n"),
            ("{% for o in options %}({{ o.label | lower }}) {{ o.text }}{% endfor %}", "(a) yes"),
            ("{% if other is defined %}{{ other }}{% else %}-{% endif %}", "-"),
        ] {
            assert_eq!(render(template, &row).unwrap(), text);
        }
    }

    #[test]
    fn what_is_missing_is_named() {
        let row = json!({"question": "?", "answer": {"text": "!"}});
        for (template, said) in [
            ("{{ qestion }}", "the template asks for `qestion`, but the row's columns are: answer, question"),
            ("{{ answer.txt }}", "`answer.txt` is undefined (line 1 of the template)"),
            ("\n{{ question", "(line 2 of the template)"),
            ("\n{% for a in range(100000) %}{% for b in range(100000) %}{% endfor %}{% endfor %}", "(line 2 of the template)"),
            ("{{ '%2000000000d' | format(1) }}", "(line 1 of the template)"),
            ("{{ question | indent(2000000000, true) }}", "(line 1 of the template)"),
            ("{{ 1 FILTERS", "a tag does not end, expected `}}` (line 1 of the template)"),
            ("{{ 1 + 1 ONES }}", "a tag has more than 1000 words"),
            ("\n{% set n = namespace() %}{% set n.a = (n, 1) %}{{ n.a }}", "a namespace is put into another value (line 2 of"),
            ("{% set x = 'a' * 50000000 %}{{ x | replace('a', x) }}", "(line 1 of the template)"),
        ] {
            let error = render(template, &row).unwrap_err();
            assert!(error.contains(said), "{error}");
        }
    }
}
