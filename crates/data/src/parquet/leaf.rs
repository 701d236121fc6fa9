//! The leaf columns of a file, and their values within rows.
//!
//! Parquet stores a nested value as leaf columns. Each value has two levels: the repetition level says which list it continues, the definition
//! level says which of the optional parts above it are there (Melnik et al. 2010, "Dremel"). A leaf is written into the row along its path,
//! so each leaf can be read without the others, and levels that disagree are errors.

use super::BATCH;
use super::kind::{self, ValueKind};
use super::pages::CheckedPages;
use parquet::basic::{ConvertedType, LogicalType, Repetition};
use parquet::column::page::PageReader;
use parquet::column::reader::{ColumnReader, ColumnReaderImpl, get_column_reader};
use parquet::data_type::DataType;
use parquet::schema::types::{ColumnDescPtr, SchemaDescriptor, Type};
use serde_json::{Map, Value};
use std::collections::HashSet;

/// The most groups within groups.
const DEEPEST: usize = 64;

/// A leaf column.
pub(super) struct Leaf {
    column: ColumnDescPtr,
    kind: ValueKind,
    /// The way to the value in a row.
    path: Vec<Step>,
}

/// A step from a value to a value in it.
#[derive(Debug, Clone)]
enum Step {
    /// A field of an object. With a smaller definition level than this one it is null.
    Field(String, i16),
    /// An element of a list. With a smaller definition level than the first the list is empty; than the second, the element is null.
    Item(i16, i16),
}

/// The leaves of a file in the order of its columns.
pub(super) fn of_schema(schema: &SchemaDescriptor) -> Result<Vec<Leaf>, String> {
    let mut paths = Vec::new();
    let root = Level { path: Vec::new(), definition: 0 };
    fields(schema.root_schema(), &root, &mut paths)?;
    if paths.is_empty() || paths.len() != schema.num_columns() {
        return Err(format!("the file describes {} columns and has {}", paths.len(), schema.num_columns()));
    }
    let leaf = |(path, column): (Vec<Step>, &ColumnDescPtr)| {
        let kind = ValueKind::of(column).map_err(|problem| format!("column {}: {problem}", column.path()))?;
        Ok(Leaf { column: column.clone(), kind, path })
    };
    paths.into_iter().zip(schema.columns()).map(leaf).collect()
}

/// A place in the schema.
#[derive(Clone)]
struct Level {
    path: Vec<Step>,
    definition: i16,
}

/// Adds the leaves of a group's fields.
fn fields(group: &Type, above: &Level, leaves: &mut Vec<Vec<Step>>) -> Result<(), String> {
    let mut names = HashSet::new();
    for field in group.get_fields() {
        if !names.insert(field.name()) {
            return Err(format!("two columns are called {:?}", field.name()));
        }
        let mut level = above.clone();
        if level.path.len() > DEEPEST {
            return Err(format!("the column {:?} is deeper than {DEEPEST} groups", field.name()));
        }
        let repetition = repetition(field);
        level.definition += i16::from(repetition != Repetition::REQUIRED);
        if repetition == Repetition::REPEATED {
            // A list without a group around it.
            level.path.extend([Step::Field(field.name().to_owned(), 0), Step::Item(level.definition, 0)]);
        } else {
            level.path.push(Step::Field(field.name().to_owned(), level.definition));
        }
        content(field, level, leaves)?;
    }
    Ok(())
}

/// Adds the leaves of a field or of an element.
fn content(field: &Type, mut level: Level, leaves: &mut Vec<Vec<Step>>) -> Result<(), String> {
    if field.is_primitive() {
        leaves.push(level.path);
        return Ok(());
    }
    let [repeated] = field.get_fields() else { return fields(field, &level, leaves) };
    if !is_list(field) || repetition(repeated) != Repetition::REPEATED {
        return fields(field, &level, leaves);
    }
    level.definition += 1;
    let list = level.definition;
    let element = match repeated.is_group().then(|| repeated.get_fields()) {
        // Files of old programs have the element itself in the place of the group (LogicalTypes.md, "Backward-compatibility rules").
        Some([element]) if repeated.name() != "array" && repeated.name() != format!("{}_tuple", field.name()) => element,
        _ => repeated,
    };
    let is_optional = !std::ptr::eq(element, repeated) && repetition(element) == Repetition::OPTIONAL;
    level.definition += i16::from(is_optional);
    level.path.push(Step::Item(list, level.definition));
    content(element, level, leaves)
}

/// Lists and maps. A map is a list of objects with `key` and `value`.
fn is_list(group: &Type) -> bool {
    let info = group.get_basic_info();
    let is_logical = matches!(info.logical_type_ref(), Some(LogicalType::List | LogicalType::Map));
    is_logical || matches!(info.converted_type(), ConvertedType::LIST | ConvertedType::MAP | ConvertedType::MAP_KEY_VALUE)
}

fn repetition(field: &Type) -> Repetition {
    let info = field.get_basic_info();
    if info.has_repetition() { info.repetition() } else { Repetition::REQUIRED }
}

impl Leaf {
    pub fn name(&self) -> String {
        self.column.path().string()
    }

    /// The number of lists around a value.
    fn lists(&self) -> usize {
        self.path.iter().filter(|step| matches!(step, Step::Item(..))).count()
    }

    /// Writes a value into a row. `indices` are the places in the lists around it.
    fn write(
        &self,
        row: &mut Map<String, Value>,
        indices: &[usize],
        definition: i16,
        value: impl FnOnce() -> Result<Value, String>,
    ) -> Result<(), String> {
        let mut indices = indices.iter();
        let Some((Step::Field(name, present), rest)) = self.path.split_first() else { return Err("a column without a name".to_owned()) };
        let mut slot = row.entry(name.clone()).or_insert(Value::Null);
        if definition < *present {
            return Ok(());
        }
        for step in rest {
            let present = match step {
                Step::Field(name, present) => {
                    if slot.is_null() {
                        *slot = Value::Object(Map::new());
                    }
                    slot = slot.as_object_mut().ok_or("two columns disagree about a group")?.entry(name.clone()).or_insert(Value::Null);
                    present
                }
                Step::Item(list, present) => {
                    if slot.is_null() {
                        *slot = Value::Array(Vec::new());
                    }
                    let elements = slot.as_array_mut().ok_or("two columns disagree about a list")?;
                    if definition < *list {
                        return Ok(());
                    }
                    let index = *indices.next().unwrap_or(&0);
                    if index == elements.len() {
                        elements.push(Value::Null);
                    }
                    slot = elements.get_mut(index).ok_or("the levels skip an element of a list")?;
                    present
                }
            };
            if definition < *present {
                return Ok(());
            }
        }
        *slot = value()?;
        Ok(())
    }
}

/// The values of a leaf in a row group.
pub(super) struct LeafRows {
    reader: ColumnReader,
    repetitions: Vec<i16>,
    definitions: Vec<i16>,
    values: std::vec::IntoIter<Result<Value, String>>,
    /// The next level, and the number of levels.
    next: usize,
    levels: usize,
}

impl LeafRows {
    pub fn new(leaf: &Leaf, pages: Box<dyn PageReader>) -> Self {
        let pages = Box::new(CheckedPages::new(pages, leaf.column.clone()));
        let reader = get_column_reader(leaf.column.clone(), pages);
        LeafRows { reader, repetitions: Vec::new(), definitions: Vec::new(), values: Vec::new().into_iter(), next: 0, levels: 0 }
    }

    /// Writes the values of the next row.
    pub fn read_into(&mut self, row: &mut Map<String, Value>, leaf: &Leaf) -> Result<(), String> {
        if self.next == self.levels {
            self.fill(leaf)?;
        }
        let mut indices = vec![0; leaf.lists()];
        let full = leaf.column.max_def_level();
        for number in 0.. {
            let (repetition, definition) = (self.level(&self.repetitions, 0), self.level(&self.definitions, full));
            match usize::try_from(repetition).map_err(|_| "a negative level")? {
                0 if number > 0 => break,
                0 => {}
                _ if number == 0 => return Err("a row begins within a list".to_owned()),
                list if list > indices.len() => return Err("a level is deeper than its list".to_owned()),
                list => {
                    indices[list - 1] += 1;
                    indices[list..].fill(0);
                }
            }
            let values = &mut self.values;
            if definition == full {
                let value = values.next().ok_or("there are fewer values than levels")?;
                leaf.write(row, &indices, definition, || value)?;
            } else {
                leaf.write(row, &indices, definition, || Err("a level is deeper than its value".to_owned()))?;
            }
            self.next += 1;
            if self.next == self.levels {
                break;
            }
        }
        Ok(())
    }

    /// The next level of a kind. The library gives none for a column that has only one.
    fn level(&self, levels: &[i16], only: i16) -> i16 {
        levels.get(self.next).copied().unwrap_or(only)
    }

    /// Reads the next rows.
    fn fill(&mut self, leaf: &Leaf) -> Result<(), String> {
        (self.next, self.levels) = (0, 0);
        self.repetitions.clear();
        self.definitions.clear();
        let (kind, physical) = (leaf.kind, leaf.column.physical_type());
        let integer = |value: i64| kind.integer(value, physical);
        let levels = (&mut self.definitions, &mut self.repetitions);
        let (levels, values) = match &mut self.reader {
            ColumnReader::BoolColumnReader(reader) => batch(reader, levels, |value| Ok((*value).into())),
            ColumnReader::Int32ColumnReader(reader) => batch(reader, levels, |value| integer(i64::from(*value))),
            ColumnReader::Int64ColumnReader(reader) => batch(reader, levels, |value| integer(*value)),
            ColumnReader::Int96ColumnReader(reader) => batch(reader, levels, kind::int96),
            ColumnReader::FloatColumnReader(reader) => batch(reader, levels, |value| Ok(kind::single(*value))),
            ColumnReader::DoubleColumnReader(reader) => batch(reader, levels, |value| Ok(kind::float(*value))),
            ColumnReader::ByteArrayColumnReader(reader) => batch(reader, levels, |value| kind.bytes(value.data())),
            ColumnReader::FixedLenByteArrayColumnReader(reader) => batch(reader, levels, |value| kind.bytes(value.data())),
        }
        .map_err(super::words)?;
        if levels == 0 {
            return Err("it has fewer rows than the file says".to_owned());
        }
        (self.levels, self.values) = (levels, values.into_iter());
        Ok(())
    }
}

/// Reads the next rows of a column. Returns the number of levels, and the values as JSON.
fn batch<T: DataType>(
    reader: &mut ColumnReaderImpl<T>,
    (definitions, repetitions): (&mut Vec<i16>, &mut Vec<i16>),
    json: impl Fn(&T::T) -> Result<Value, String>,
) -> Result<(usize, Vec<Result<Value, String>>), parquet::errors::ParquetError> {
    let mut values = Vec::new();
    let (_, _, levels) = reader.read_records(BATCH, Some(definitions), Some(repetitions), &mut values)?;
    Ok((levels, values.iter().map(json).collect()))
}
