//! The modules at a crate's root import each other in one direction, so that each can be read after those that it imports.
//!
//! A module is `src/NAME.rs` with all files below `src/NAME/`. It imports another one where its code, tests aside, names `crate::OTHER` or
//! a name that `lib.rs` re-exports from there. The test holds for the crate that includes this file; other crates include it
//! with `#[path]`.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

/// The most modules at a crate's root.
const MOST_MODULES: usize = 12;

/// The imports of each module.
type Graph = BTreeMap<String, BTreeSet<String>>;

#[test]
fn modules_import_each_other_in_one_direction() {
    let graph = graph(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"));
    let circle = circle(&graph);
    assert!(circle.is_empty(), "modules import each other in a circle: {}", circle.join(" -> "));
}

#[test]
fn the_root_has_at_most_a_dozen_modules() {
    let modules = graph(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src")).into_keys().collect::<Vec<_>>();
    assert!(modules.len() <= MOST_MODULES, "{} modules: {}", modules.len(), modules.join(", "));
}

#[test]
fn a_circle_is_found_through_groups_parents_and_reexports() {
    let source = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| std::fs::write(source.path().join(name), text).unwrap();
    std::fs::create_dir(source.path().join("b")).unwrap();
    write("lib.rs", "pub mod a;\nmod b;\nmod c;\npub use c::inner::{Deep, Other as Name};\n");
    write("a.rs", "use crate::{\n    b::{X, Y},\n    c::Z,\n};\n");
    write("b.rs", "mod below;\n");
    write("b/below.rs", "fn f() { super::super::c::g() }\n");
    write("c.rs", "// use crate::a;\n#[cfg(test)]\nmod tests { use crate::a; }\n");
    let one_way = graph(source.path());
    assert_eq!(one_way["a"], ["b", "c"].map(String::from).into());
    assert_eq!(one_way["b"], ["c".to_owned()].into());
    assert_eq!(circle(&one_way), Vec::<String>::new());
    write("b/below.rs", "use crate::Name;\n");
    write("c.rs", "use crate::a::A;\n");
    assert_eq!(circle(&graph(source.path())), ["a", "b", "c", "a"]);
}

/// The modules below a source directory, and what each imports.
fn graph(source: &Path) -> Graph {
    let root = code(&source.join("lib.rs"));
    let declared = root.lines().filter_map(|line| line.trim_start_matches("pub ").strip_prefix("mod ")?.strip_suffix(';'));
    let modules: BTreeSet<String> = declared.map(str::to_owned).collect();
    let reexports = reexports(&root);
    let resolve = |name: String| {
        if modules.contains(&name) { Some(name) } else { reexports.get(&name).filter(|module| modules.contains(*module)).cloned() }
    };
    let imports = |module: &String| {
        let mut names = BTreeSet::new();
        collect(&source.join(module).with_extension("rs"), 1, &mut names);
        names.into_iter().filter_map(resolve).filter(|other| other != module).collect()
    };
    modules.iter().map(|module| (module.clone(), imports(module))).collect()
}

/// A file's code without comments and without the tests at its end.
fn code(path: &Path) -> String {
    let text = std::fs::read_to_string(path).unwrap();
    let text = text.split("#[cfg(test)]").next().unwrap_or_default();
    text.lines().map(|line| line.split("//").next().unwrap_or_default()).collect::<Vec<_>>().join("\n")
}

/// The names that `lib.rs` re-exports, with the module from which each comes.
fn reexports(root: &str) -> BTreeMap<String, String> {
    let statements = root.split(';').filter_map(|statement| statement.trim().strip_prefix("pub use "));
    let names = |statement: &str| {
        let module = first_name(statement);
        let words = statement.split([',', '{', '}', ':', '\n']).map(|part| part.rsplit(' ').next().unwrap_or_default().to_owned());
        words.filter(|name| !name.is_empty()).map(|name| (name, module.clone())).collect::<Vec<_>>()
    };
    statements.flat_map(names).collect()
}

/// Adds the names that a module's files take from the crate's root; `depth` is the length of the module's path.
fn collect(file: &Path, depth: usize, names: &mut BTreeSet<String>) {
    let text = code(file);
    for (at, _) in text.match_indices("crate::") {
        names.extend(names_after(&text[at + "crate::".len()..]));
    }
    let up = "super::".repeat(depth);
    for (at, _) in text.match_indices(&up) {
        names.extend(names_after(&text[at + up.len()..]));
    }
    let Ok(below) = std::fs::read_dir(file.with_extension("")) else { return };
    for path in below.map(|entry| entry.unwrap().path()) {
        if path.extension().is_some_and(|extension| extension == "rs") && path.file_stem().is_some_and(|stem| stem != "tests") {
            collect(&path, depth + 1, names);
        }
    }
}

/// The first names of a path, or of each path of a group in braces.
fn names_after(text: &str) -> Vec<String> {
    let Some(group) = text.strip_prefix('{') else { return vec![first_name(text)] };
    let (mut open, mut starts) = (0, vec![0]);
    for (at, letter) in group.char_indices() {
        match letter {
            '{' => open += 1,
            '}' if open == 0 => break,
            '}' => open -= 1,
            ',' if open == 0 => starts.push(at + 1),
            _ => {}
        }
    }
    starts.into_iter().map(|start| first_name(group[start..].trim_start())).collect()
}

fn first_name(text: &str) -> String {
    text.chars().take_while(|letter| letter.is_alphanumeric() || *letter == '_').collect()
}

/// Modules that import each other in a circle, the first one again at the end; none if there is no circle.
fn circle(graph: &Graph) -> Vec<String> {
    let mut left = graph.clone();
    loop {
        let done: BTreeSet<String> = left.iter().filter(|(_, imports)| imports.is_empty()).map(|(module, _)| module.clone()).collect();
        if done.is_empty() {
            break;
        }
        left.retain(|module, _| !done.contains(module));
        for imports in left.values_mut() {
            imports.retain(|import| !done.contains(import));
        }
    }
    // Each module that is left imports another one that is left.
    let mut path: Vec<String> = left.keys().take(1).cloned().collect();
    while let Some(next) = path.last().and_then(|module| left[module].first()).cloned() {
        let seen = path.iter().position(|module| *module == next);
        path.push(next);
        if let Some(first) = seen {
            return path.split_off(first);
        }
    }
    path
}
