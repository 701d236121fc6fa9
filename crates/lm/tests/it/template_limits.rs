//! What a template cannot do: take more time, memory or stack than its budget, or end the process.

use crate::templates::{read, styles};
use starloop_lm::files::chat::Message;
use std::time::Instant;

#[test]
fn a_template_has_a_budget() {
    let endless =
        "{% for a in range(100000) %}{% for b in range(100000) %}{% for c in range(100000) %}{% endfor %}{% endfor %}{% endfor %}";
    for source in [
        endless,
        "{% for a in range(100000) %}{{ 'a' * 1000 }}{% endfor %}",
        "{{ '%2000000000d' | format(1) }}",
        "{{ '%2000000000d' % 1 }}",
        "{{ '%.2000000000f' % 1.5 }}",
        "{{ '%.70000f' % 1.5 }}",
        "{% set l = 'a,' * 400000 %}{% for i in range(9000) %}{% set x = [{}, {}] | sort(attribute=l) %}{% endfor %}",
        "{% set l = 'a.' * 400000 %}{{ [{}, {}] | selectattr(*[l]) | list }}",
        "{% set l = 'a.' * 400000 %}{{ [{}, {}] | map(**{'attribute': l}) | list }}",
        "{% set l = 'a,' * 400000 %}{{ [{}, {}] | sum(attribute=l) }}",
        "{{ '{:2000000000}'.format(1) }}",
        "{{ 'a' | indent(2000000000, true) }}",
        "{{ {'a': 1} | tojson(indent=2000000000) }}",
        "{% set x = 'a' * 50000000 %}{{ x | replace('a', x) }}",
        "{% set x = 'a' * 50000000 %}{{ x.replace('a', x) }}",
        "{{ range(100000) | join('a' * 1000000) }}",
        "{{ ('a' * 1000000).join(range(100000)) }}",
        "{% macro m() %}{{ m() }}{{ m() }}{% endmacro %}{{ m() }}",
        "{% set ns = namespace(x='a') %}{% for i in range(100) %}{% set ns.x = ns.x ~ ns.x %}{% endfor %}",
        "{{ range(100000) | map('string') | list | batch(1) | list | tojson * 1000 }}",
    ] {
        let begun = Instant::now();
        let error = read(&format!("\n{source}")).unwrap().render(&[Message::new("user", "hi")], false).unwrap_err().to_string();
        assert!(error.starts_with("tokenizer_config.json: ") && error.contains("(in chat_template:2)"), "{source}: {error}");
        assert!(begun.elapsed().as_secs() < 60, "{source}: {:?}", begun.elapsed());
    }
}

#[test]
fn all_work_counts_against_the_budget() {
    let doubled = |double: &str| {
        format!(
            "{{% macro f(x, n) %}}{{% if n %}}{{{{ f({double}, n - 1) }}}}{{% else %}}{{{{ x }}}}{{% endif %}}{{% endmacro %}}{{{{ f([1], 40) }}}}"
        )
    };
    let doubles = ["x + x", "x * 2", "[x, x]", "(x, x)", "{1: x, 2: x}", "dict(a=x, b=x)", "[x, x]|sum(start=[])"].map(doubled);
    let repeated = |work: &str| {
        let values = "{% set y = 'a' * 900000 %}{% set z = 'a' * 900000 %}{% set l = [y, z] %}{% set d = {y: 1} %}{% set r = range(90000) | list %}\
                      {% set rows = [{'k': y}, {'k': z}] %}";
        format!("{values}{{% for i in range(90000) %}}{{% set x = {work} %}}{{% endfor %}}")
    };
    let works = [
        "y is upper",
        "y is lower",
        "y is eq z",
        "y is sameas z",
        "{y: 1}",
        "d[y]",
        "d.get(y)",
        "y in d",
        "y == z",
        "y != z",
        "y < z",
        "y in [z]",
        "y.find('aaaaab')",
        "'b'.find(y)",
        "y.strip('b')",
        "'a'.replace(y, 'b')",
        "'a' | replace(y, 'b')",
        "y.isupper()",
        "y.count('b')",
        "l | sort",
        "l | unique | list",
        "l | max",
        "[l] | map('sort') | list",
        "rows | groupby('k')",
        "rows | sort(attribute='k')",
        "l.index(z)",
        "rows | selectattr('k', 'eq', 'a' ~ z) | list",
        "l | select('equalto', z) | list",
        "l.count(z)",
        "l == [z, y]",
        "r == range(90000) | list",
        "r[::-1]",
        "r[1:]",
        "r | reverse",
        "r | batch(2) | list",
        "r | slice(2) | list",
        "r | tojson",
        "r | string",
        "r ~ ''",
        "r | sum",
        "r | list",
        "r | map('string') | first",
        "'%s' % [r]",
        "r | join",
        "','.join(r | map('string'))",
        "99999 in r",
        "y[-1]",
        "y[899999]",
        "loop.changed(y)",
        "[1] | map(attribute=y) | list",
        "y.split()",
        "y | wordcount",
        "y | int",
        "y | e",
        "y | striptags",
        "y.isalpha()",
        "dict(l | batch(2))",
        "namespace(d)",
        "y % ()",
        "y.splitlines()",
        "range(100000) | last",
        "range(100000)[99999]",
        "y.ljust(10000000)",
        "'a'.zfill(10000000)",
    ]
    .map(repeated);
    let loops = [
        "{% set ns = namespace(x=[1]) %}{% for i in range(60) %}{% set ns.x = ns.x + ns.x %}{% endfor %}{{ ns.x | length }}",
        "{% set y = 'a' * 900000 %}{% for i in range(90000) %}{% for c in y %}{% break %}{% endfor %}{% endfor %}",
        "{% set y = {'x': range(90000) | list} %}{% macro f(x) %}{% endmacro %}{% for i in range(90000) %}{{ f(**y) }}{% endfor %}",
        "{{ 'a' * 2 ** 62 }}",
        "{{ [1] * 2 ** 62 }}",
        "{{ 'a'.ljust(2 ** 40) }}",
    ]
    .map(str::to_owned);
    for source in doubles.iter().chain(&works).chain(&loops) {
        let begun = Instant::now();
        let error = read(source).unwrap().render(&[Message::new("user", "hi")], false).map(|text| text.len()).unwrap_err().to_string();
        let limits = ["engine ran out of fuel", "more than 50 levels", "an argument of a filter has more than 1000 bytes"];
        assert!(limits.iter().any(|limit| error.contains(limit)), "{source}: {error}");
        assert!(begun.elapsed().as_secs() < 60, "{source}: {:?}", begun.elapsed());
    }
}

#[test]
fn values_cannot_exhaust_the_stack() {
    let rendered = |source: &str| read(source).and_then(|template| template.render(&[Message::new("user", "hi")], false));
    let (open, close) = ("[".repeat(18), "]".repeat(18));
    let again = format!("{{% set x = {open}x{close} %}}");
    for (source, said) in [
        ("{% set n = namespace() %}{% set n.x = [n] %}{{ n.x }}", "a namespace is put into another value"),
        ("{% set n = namespace() %}{%- set n.x = n -%}{{ n }}", "a namespace is put into another value"),
        ("{% set n = namespace() %}{% set n.x, n.y = 1, {'a': n} %}{{ n }}", "a namespace is put into another value"),
        ("{% set n = namespace(x=1) %}{% for i in range(100000) %}{% set n.x = [n.x] %}{% endfor %}", "more than 50 levels"),
        ("{% set n = namespace(x=1) %}{% for i in range(100000) %}{% set n.x = {'a': n.x} %}{% endfor %}", "more than 50 levels"),
        (&*format!("{{% set x = 1 %}}{}", again.repeat(1000)), "more than 50 levels"),
        (
            &*format!(
                "{{% macro f(x, n) %}}{{% if n %}}{{{{ f({open}x{close}, n - 1) }}}}{{% else %}}{{{{ x }}}}{{% endif %}}{{% endmacro %}}{{{{ f(1, 60) }}}}"
            ),
            "more than 50 levels",
        ),
        (&*format!("{{{{ {}1{} }}}}", "[".repeat(21), "]".repeat(21)), "more than 20 brackets"),
    ] {
        let error = rendered(source).unwrap_err().to_string();
        assert!(error.contains(said), "{source}: {error}");
    }
    // Published templates collect messages in a namespace.
    let usual = "{% set n = namespace(all=[], last=none) %}{% for m in messages %}{% set n.all = n.all + [{'is': m}] %}\
                 {% set n.last = m %}{% endfor %}{{ n.last.role }} {{ n.all | length }}";
    assert_eq!(rendered(usual).unwrap(), "user 1");
}

#[test]
fn long_conversations_fit_the_budget() {
    let text = "A sentence of a conversation. ".repeat(2000);
    let messages: Vec<Message> = (0..40).map(|i| Message::new(["user", "assistant"][i % 2], &text)).collect();
    for (style, source) in styles() {
        let rendered = read(&source).unwrap().render(&messages, true);
        let methods = ["python_methods", "filters"].contains(&style.as_str());
        assert!(methods || rendered.is_ok(), "{style}: {rendered:?}");
    }
}

#[test]
fn what_no_parser_can_read_is_an_error() {
    let deep = |open: &str, close: &str| open.repeat(100_000) + close;
    for source in [
        "{%}".to_owned(),
        "{{".into(),
        "{{ ' }}".into(),
        "{%- raw %}".into(),
        deep("{{ (", "}}"),
        deep("(", "") + "{{ x",
        format!("{{{{ {} }}}}", deep("(", "")),
        format!("{{{{ {} }}}}", deep("[", "")),
        format!("{{{{ {} }}}}", deep("{'a':", "")),
        format!("{{{{ {} }}}}", deep("not ", "x")),
        format!("{{{{ {} }}}}", deep("-", "x")),
        format!("{{{{ {} }}}}", deep("a if b else ", "x")),
        format!("{{{{ {} }}}}", deep("'a' % (", "x")),
        format!("{{{{ {}x }}}}", deep("f(", "")),
        deep("{% if a %}", ""),
        deep("{% for a in b %}", ""),
        deep("{% generation %}", ""),
        deep("{% macro m() %}", ""),
        format!("{{{{ 'a'{} }}}}", " ~ 'a'".repeat(20_000)),
        format!("{{{{ 'a'{} }}}}", "|trim".repeat(20_000)),
        "a".repeat((1 << 20) + 1),
    ] {
        let shown: String = source.chars().take(20).collect();
        let error = read(&source).map(|_| ()).unwrap_err().to_string();
        assert!(error.starts_with("tokenizer_config.json: "), "{shown}: {error}");
    }
}

#[test]
fn the_stack_holds_the_longest_chains() {
    for (chain, words) in [(" ~ 'a'", 2), (" + 'a'", 2), (" and 'a'", 2), ("|trim", 2), (".strip()", 4), ("[0:]", 4), (" in 'a'", 2)] {
        let source = format!("{{{{ 'a'{} }}}}", chain.repeat(990 / words));
        let rendered = read(&source).and_then(|template| template.render(&[Message::new("user", "hi")], false));
        assert!(rendered.is_ok(), "{chain}: {rendered:?}");
    }
    let branches = |count| format!("{{% if false %}}{}{{% endif %}}", "{% elif false %}".repeat(count));
    assert_eq!(read(&branches(500)).unwrap().render(&[], false).unwrap(), "");
    let error = read(&branches(501)).unwrap_err().to_string();
    assert!(error.contains("more than 500 elif tags (line 1 of the template)"), "{error}");
}

#[test]
fn a_panic_of_the_template_engine_is_an_error_of_the_file() {
    let template = read("{% for i in [1] %}{{ loop.cycle() }}{% endfor %}").unwrap();
    let error = template.render(&[Message::new("user", "hi")], false).unwrap_err().to_string();
    assert!(error.contains("the template engine failed") && error.contains("tokenizer_config.json"), "{error}");
    // Columns beyond 65,535 do not fit into the engine's counter.
    let wide = format!("{}{{{{ 'x' }}}}", "a".repeat(70_000));
    assert!(read(&wide).is_ok_and(|template| template.render(&[Message::new("user", "hi")], false).is_ok()) || read(&wide).is_err());
}
