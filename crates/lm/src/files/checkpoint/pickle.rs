//! The part of Python's pickle format that `torch.save` writes for a dictionary of tensors, and nothing beyond it.
//!
//! A pickle is a program for a small stack machine that may call any Python function, which is why checkpoints in it are dangerous. This
//! machine executes nothing: it knows the opcodes of protocol 2 (`pickletools` in Python's library documents them), and a handful of names
//! that it understands itself. Every other name, opcode or call is an error that says which. Values live in one list and refer to each
//! other by place, so that no depth of nesting and no cycle can exhaust the stack, and what is built is bounded by the file's size.

use safetensors::Dtype;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

/// The most dimensions that a tensor of PyTorch has.
const MAX_DIMENSIONS: usize = 64;

/// A tensor as a pickle describes it: a view of a storage.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct PickledTensor {
    /// The storage of its elements.
    pub(super) storage: Storage,
    /// The first element, counted in elements.
    pub(super) offset: usize,
    /// Elements along each dimension.
    pub(super) shape: Vec<usize>,
    /// Elements of the storage from one index to the next, per dimension.
    pub(super) strides: Vec<usize>,
}

/// A block of elements in a separate file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Storage {
    /// Its file's name.
    pub(super) key: Arc<str>,
    /// The type of its elements.
    pub(super) dtype: Dtype,
    /// How many there are.
    pub(super) elements: usize,
}

/// The tensors of a pickled dictionary by name, or what is wrong with the pickle.
pub(super) fn tensors(pickle: &[u8]) -> Result<BTreeMap<String, PickledTensor>, String> {
    let mut machine = Machine { bytes: pickle, at: 0, objects: Vec::new(), stack: Vec::new(), marks: Vec::new(), memo: HashMap::new() };
    let result = machine.run()?;
    let Object::Dictionary(entries) = &machine.objects[result] else {
        return Err(format!("expected a dictionary of tensors, found {}", machine.objects[result].kind()));
    };
    let mut tensors = BTreeMap::new();
    for (key, value) in entries {
        match (&machine.objects[*key], &machine.objects[*value]) {
            (Object::Text(name), Object::Tensor(tensor)) => tensors.insert(name.to_string(), tensor.clone()),
            (Object::Text(name), other) => return Err(format!("entry \"{name}\" is {}, expected a tensor", other.kind())),
            (other, _) => return Err(format!("a key is {}, expected a text", other.kind())),
        };
    }
    Ok(tensors)
}

/// A value's place in [`Machine::objects`].
type ObjectIndex = usize;

#[derive(Debug, Clone)]
enum Object {
    None,
    Boolean,
    Integer(i64),
    Text(Arc<str>),
    Tuple(Vec<ObjectIndex>),
    Dictionary(Vec<(ObjectIndex, ObjectIndex)>),
    Global(Global),
    Storage(Storage),
    Tensor(PickledTensor),
}

impl Object {
    fn kind(&self) -> &'static str {
        match self {
            Object::None => "None",
            Object::Boolean => "a boolean",
            Object::Integer(_) => "an integer",
            Object::Text(_) => "a text",
            Object::Tuple(_) => "a tuple",
            Object::Dictionary(_) => "a dictionary",
            Object::Global(_) => "a function",
            Object::Storage(_) => "a storage",
            Object::Tensor(_) => "a tensor",
        }
    }
}

/// A name that a pickle may use.
#[derive(Debug, Clone, Copy)]
enum Global {
    OrderedDict,
    RebuildTensor,
    RebuildParameter,
    StorageType(Dtype),
}

impl Global {
    fn find(module: &str, name: &str) -> Result<Self, String> {
        let storage = |dtype| Ok(Global::StorageType(dtype));
        match (module, name) {
            ("collections", "OrderedDict") => Ok(Global::OrderedDict),
            ("torch._utils", "_rebuild_tensor_v2") => Ok(Global::RebuildTensor),
            ("torch._utils", "_rebuild_parameter") => Ok(Global::RebuildParameter),
            ("torch", "DoubleStorage") => storage(Dtype::F64),
            ("torch", "FloatStorage") => storage(Dtype::F32),
            ("torch", "HalfStorage") => storage(Dtype::F16),
            ("torch", "BFloat16Storage") => storage(Dtype::BF16),
            ("torch", "LongStorage") => storage(Dtype::I64),
            ("torch", "IntStorage") => storage(Dtype::I32),
            ("torch", "ShortStorage") => storage(Dtype::I16),
            ("torch", "CharStorage") => storage(Dtype::I8),
            ("torch", "ByteStorage") => storage(Dtype::U8),
            ("torch", "BoolStorage") => storage(Dtype::BOOL),
            _ => Err(format!("it asks for \"{module}.{name}\", which no file of plain tensors needs; nothing of it was executed")),
        }
    }
}

/// The opcodes that `torch.save` writes, under the names of Python's `pickletools`.
mod opcode {
    pub(super) const PROTO: u8 = 0x80;
    pub(super) const STOP: u8 = b'.';
    pub(super) const MARK: u8 = b'(';
    pub(super) const NONE: u8 = b'N';
    pub(super) const NEWTRUE: u8 = 0x88;
    pub(super) const NEWFALSE: u8 = 0x89;
    pub(super) const BININT: u8 = b'J';
    pub(super) const BININT1: u8 = b'K';
    pub(super) const BININT2: u8 = b'M';
    pub(super) const LONG1: u8 = 0x8a;
    pub(super) const BINUNICODE: u8 = b'X';
    pub(super) const EMPTY_TUPLE: u8 = b')';
    pub(super) const TUPLE: u8 = b't';
    pub(super) const TUPLE1: u8 = 0x85;
    pub(super) const TUPLE2: u8 = 0x86;
    pub(super) const TUPLE3: u8 = 0x87;
    pub(super) const EMPTY_DICT: u8 = b'}';
    pub(super) const SETITEM: u8 = b's';
    pub(super) const SETITEMS: u8 = b'u';
    pub(super) const BINPUT: u8 = b'q';
    pub(super) const LONG_BINPUT: u8 = b'r';
    pub(super) const BINGET: u8 = b'h';
    pub(super) const LONG_BINGET: u8 = b'j';
    pub(super) const GLOBAL: u8 = b'c';
    pub(super) const REDUCE: u8 = b'R';
    pub(super) const BUILD: u8 = b'b';
    pub(super) const BINPERSID: u8 = b'Q';
}

struct Machine<'a> {
    bytes: &'a [u8],
    at: usize,
    objects: Vec<Object>,
    stack: Vec<ObjectIndex>,
    /// Heights of the stack at which marks were set.
    marks: Vec<usize>,
    memo: HashMap<u32, ObjectIndex>,
}

impl Machine<'_> {
    /// Runs the program and returns the place of its result.
    fn run(&mut self) -> Result<ObjectIndex, String> {
        loop {
            let began = self.at;
            let code = self.take::<1>()?[0];
            if code == opcode::STOP {
                return self.pop();
            }
            self.step(code).map_err(|problem| format!("{problem} (byte {began})"))?;
        }
    }

    fn step(&mut self, code: u8) -> Result<(), String> {
        match code {
            opcode::PROTO => match self.take::<1>()?[0] {
                2 => return Ok(()),
                other => return Err(format!("pickle protocol {other}, expected 2, which torch.save writes by default")),
            },
            opcode::MARK => self.marks.push(self.stack.len()),
            opcode::NONE => self.push(Object::None),
            opcode::NEWTRUE | opcode::NEWFALSE => self.push(Object::Boolean),
            opcode::BININT | opcode::BININT1 | opcode::BININT2 | opcode::LONG1 => {
                let value = self.integer_operand(code)?;
                self.push(Object::Integer(value));
            }
            opcode::BINUNICODE => {
                let length = u32::from_le_bytes(self.take()?) as usize;
                let text = std::str::from_utf8(self.slice(length)?).map_err(|e| e.to_string())?.into();
                self.push(Object::Text(text));
            }
            opcode::EMPTY_TUPLE => self.push(Object::Tuple(Vec::new())),
            opcode::TUPLE => {
                let items = self.pop_to_mark()?;
                self.push(Object::Tuple(items));
            }
            opcode::TUPLE1 | opcode::TUPLE2 | opcode::TUPLE3 => {
                let items = self.pop_many(usize::from(code - opcode::TUPLE1) + 1)?;
                self.push(Object::Tuple(items));
            }
            opcode::EMPTY_DICT => self.push(Object::Dictionary(Vec::new())),
            opcode::SETITEM => {
                let items = self.pop_many(2)?;
                self.set_items(&items)?;
            }
            opcode::SETITEMS => {
                let items = self.pop_to_mark()?;
                self.set_items(&items)?;
            }
            opcode::BINPUT | opcode::LONG_BINPUT => {
                let key = self.memo_operand(code == opcode::BINPUT)?;
                let top = self.top()?;
                self.memo.insert(key, top);
            }
            opcode::BINGET | opcode::LONG_BINGET => {
                let key = self.memo_operand(code == opcode::BINGET)?;
                let place = *self.memo.get(&key).ok_or_else(|| format!("entry {key} of the memo is used before it is set"))?;
                self.stack.push(place);
            }
            opcode::GLOBAL => {
                let (module, name) = (self.line()?, self.line()?);
                self.push(Object::Global(Global::find(&module, &name)?));
            }
            opcode::REDUCE => {
                let call = self.pop_many(2)?;
                self.call(call[0], call[1])?;
            }
            opcode::BUILD => {
                // The attributes of a module's state_dict: versions of its layers, which say nothing about the values.
                self.pop()?;
                self.dictionary()?;
            }
            opcode::BINPERSID => {
                let id = self.pop()?;
                let storage = self.storage(id)?;
                self.push(Object::Storage(storage));
            }
            other => return Err(format!("opcode 0x{other:02x} is not one that tensors need")),
        }
        Ok(())
    }

    /// Calls one of the known functions with a tuple of arguments.
    fn call(&mut self, function: ObjectIndex, arguments: ObjectIndex) -> Result<(), String> {
        let (Object::Global(function), Object::Tuple(arguments)) = (&self.objects[function], &self.objects[arguments]) else {
            return Err(format!("a call of {} with {}", self.objects[function].kind(), self.objects[arguments].kind()));
        };
        match (function, arguments.as_slice()) {
            (Global::OrderedDict, []) => self.push(Object::Dictionary(Vec::new())),
            (Global::RebuildTensor, [storage, offset, shape, strides, ..]) => {
                let tensor = self.tensor([*storage, *offset, *shape, *strides])?;
                self.push(Object::Tensor(tensor));
            }
            (Global::RebuildParameter, [tensor, ..]) if matches!(self.objects[*tensor], Object::Tensor(_)) => self.stack.push(*tensor),
            (function, arguments) => return Err(format!("{function:?} cannot be called with these {} arguments", arguments.len())),
        }
        Ok(())
    }

    fn tensor(&self, [storage, offset, shape, strides]: [ObjectIndex; 4]) -> Result<PickledTensor, String> {
        let Object::Storage(storage) = &self.objects[storage] else {
            return Err(format!("a tensor over {}, expected a storage", self.objects[storage].kind()));
        };
        let (shape, strides) = (self.sizes(shape)?, self.sizes(strides)?);
        if shape.len() != strides.len() {
            return Err(format!("a tensor of {} dimensions has {} strides", shape.len(), strides.len()));
        }
        Ok(PickledTensor { storage: storage.clone(), offset: self.size(offset)?, shape, strides })
    }

    /// The storage of `("storage", type, key, device, elements)`.
    fn storage(&self, id: ObjectIndex) -> Result<Storage, String> {
        let malformed = || "a reference that is no storage's".to_owned();
        let Object::Tuple(parts) = &self.objects[id] else { return Err(malformed()) };
        let [kind, dtype, key, _device, elements] = parts.as_slice() else { return Err(malformed()) };
        match (&self.objects[*kind], &self.objects[*dtype], &self.objects[*key]) {
            (Object::Text(kind), Object::Global(Global::StorageType(dtype)), Object::Text(key)) if &**kind == "storage" => {
                Ok(Storage { key: key.clone(), dtype: *dtype, elements: self.size(*elements)? })
            }
            _ => Err(malformed()),
        }
    }

    fn sizes(&self, place: ObjectIndex) -> Result<Vec<usize>, String> {
        match &self.objects[place] {
            Object::Tuple(items) if items.len() <= MAX_DIMENSIONS => items.iter().map(|item| self.size(*item)).collect(),
            Object::Tuple(items) => Err(format!("a tensor of {} dimensions; PyTorch has at most {MAX_DIMENSIONS}", items.len())),
            other => Err(format!("expected a tuple of sizes, found {}", other.kind())),
        }
    }

    fn size(&self, place: ObjectIndex) -> Result<usize, String> {
        match &self.objects[place] {
            Object::Integer(value) => usize::try_from(*value).map_err(|_| format!("expected a size, found {value}")),
            other => Err(format!("expected a size, found {}", other.kind())),
        }
    }

    fn set_items(&mut self, items: &[ObjectIndex]) -> Result<(), String> {
        let (pairs, []) = items.as_chunks::<2>() else { return Err("a key without a value".into()) };
        self.dictionary()?.extend(pairs.iter().map(|[key, value]| (*key, *value)));
        Ok(())
    }

    /// The dictionary on top of the stack.
    fn dictionary(&mut self) -> Result<&mut Vec<(ObjectIndex, ObjectIndex)>, String> {
        let top = self.top()?;
        match &mut self.objects[top] {
            Object::Dictionary(entries) => Ok(entries),
            other => Err(format!("expected a dictionary, found {}", other.kind())),
        }
    }

    fn push(&mut self, object: Object) {
        self.stack.push(self.objects.len());
        self.objects.push(object);
    }

    fn top(&self) -> Result<ObjectIndex, String> {
        self.stack.last().copied().ok_or_else(empty_stack)
    }

    fn pop(&mut self) -> Result<ObjectIndex, String> {
        self.stack.pop().ok_or_else(empty_stack)
    }

    fn pop_many(&mut self, count: usize) -> Result<Vec<ObjectIndex>, String> {
        let rest = self.stack.len().checked_sub(count).ok_or_else(empty_stack)?;
        Ok(self.stack.split_off(rest))
    }

    fn pop_to_mark(&mut self) -> Result<Vec<ObjectIndex>, String> {
        let mark = self.marks.pop().ok_or("no mark was set")?;
        if mark > self.stack.len() {
            return Err(empty_stack());
        }
        Ok(self.stack.split_off(mark))
    }

    fn integer_operand(&mut self, code: u8) -> Result<i64, String> {
        Ok(match code {
            opcode::BININT => i32::from_le_bytes(self.take()?).into(),
            opcode::BININT1 => self.take::<1>()?[0].into(),
            opcode::BININT2 => u16::from_le_bytes(self.take()?).into(),
            _ => {
                let length = usize::from(self.take::<1>()?[0]);
                let digits = self.slice(length)?;
                let negative = digits.last().is_some_and(|high| high & 0x80 != 0);
                let mut whole = [if negative { 0xff } else { 0 }; 8];
                let low = whole.get_mut(..length).ok_or_else(|| format!("an integer of {length} bytes; at most 8 are sensible"))?;
                low.copy_from_slice(digits);
                i64::from_le_bytes(whole)
            }
        })
    }

    fn memo_operand(&mut self, short: bool) -> Result<u32, String> {
        Ok(if short { self.take::<1>()?[0].into() } else { u32::from_le_bytes(self.take()?) })
    }

    fn take<const N: usize>(&mut self) -> Result<[u8; N], String> {
        Ok(self.slice(N)?.try_into().expect("a slice has the length that was asked for"))
    }

    fn slice(&mut self, length: usize) -> Result<&[u8], String> {
        let rest = &self.bytes[self.at..];
        let slice = rest.get(..length).ok_or_else(|| format!("it ends in the middle (after {} bytes)", self.bytes.len()))?;
        self.at += length;
        Ok(slice)
    }

    /// Text up to the end of the line, which is passed over.
    fn line(&mut self) -> Result<String, String> {
        let length = self.bytes[self.at..].iter().position(|byte| *byte == b'\n').ok_or("a name has no end")?;
        let line = std::str::from_utf8(self.slice(length)?).map_err(|e| e.to_string())?.to_owned();
        self.at += 1;
        Ok(line)
    }
}

fn empty_stack() -> String {
    "a value is used that was never made".into()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use std::io::{Cursor, Read};

    #[test]
    fn no_damage_to_a_pickle_ends_the_process() {
        let archive = include_bytes!("../../../../../fixtures/torch/plain.bin");
        let mut pickle = Vec::new();
        zip::ZipArchive::new(Cursor::new(archive)).unwrap().by_name("plain/data.pkl").unwrap().read_to_end(&mut pickle).unwrap();
        let whole = tensors(&pickle).unwrap();
        assert_eq!(whole.len(), 15);
        let mut refused = 0;
        for at in 0..pickle.len() {
            assert!(tensors(&pickle[..at]).is_err(), "cut off after {at} bytes");
            for flip in [0x01, 0x04, 0x20, 0x80, 0xff] {
                let mut damaged = pickle.clone();
                damaged[at] ^= flip;
                refused += usize::from(tensors(&damaged).is_err());
            }
        }
        // Names, sizes and values that are not read may change without a contradiction; opcodes and references may not.
        assert!(refused > pickle.len(), "{refused} of {}", 5 * pickle.len());
    }
}
