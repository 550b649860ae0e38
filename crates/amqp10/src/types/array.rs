//! Arrays: values of one type, with one constructor for all of them (AMQP 1.0 §1.2.4, §1.6.24).

use bytes::{BufMut as _, BytesMut};

use super::{
    Kind, Value,
    compound::{encode_compound, lengthen},
    primitive::put_counted,
};
use crate::{Decode, Encode, Error, Fault, Reader, generated::format_code as code};

/// Values of one type. When the type is a described one, the descriptors stand here and the
/// elements without them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Array {
    descriptors: Vec<Value>,
    kind: Kind,
    elements: Vec<Value>,
}

impl Array {
    /// An array of this type.
    ///
    /// # Errors
    /// An element is of another type, or the type is no primitive one.
    pub fn new(kind: Kind, elements: Vec<Value>) -> Result<Self, Error> {
        Self::described(Vec::new(), kind, elements)
    }

    /// An array of a described type: the descriptors from the outside in, and the primitive type
    /// below them.
    ///
    /// # Errors
    /// As [`new`](Self::new).
    pub fn described(
        descriptors: Vec<Value>,
        kind: Kind,
        elements: Vec<Value>,
    ) -> Result<Self, Error> {
        let other = elements.iter().map(Value::kind).position(|found| found != kind);
        let fault = |found| Fault::Element { found, expected: kind };
        match other.and_then(|at| elements.get(at).map(|element| (at, element.kind()))) {
            Some((at, found)) => Err(Error::new(fault(found), at)),
            None if kind == Kind::Described => Err(Error::new(fault(kind), 0)),
            None => Ok(Self { descriptors, kind, elements }),
        }
    }

    /// The descriptors of a described type, from the outside in.
    pub fn descriptors(&self) -> &[Value] {
        &self.descriptors
    }

    /// The elements' primitive type.
    pub const fn kind(&self) -> Kind {
        self.kind
    }

    /// The elements, without the descriptors.
    pub fn elements(&self) -> &[Value] {
        &self.elements
    }
}

impl Decode for Array {
    fn decode_data(code: u8, reader: &mut Reader<'_>) -> Result<Self, Error> {
        let wide = match code {
            code::ARRAY8 => false,
            code::ARRAY32 => true,
            _ => return Err(reader.unexpected(code, Kind::Array.name())),
        };
        let (count, outer) = reader.enter(wide)?;
        let mut descriptors = Vec::new();
        let code = constructor(reader, |reader| {
            descriptors.push(Value::decode(reader)?);
            Ok(())
        })?;
        let kind = Kind::of_code(code).ok_or_else(|| reader.unexpected(code, "a value"))?;
        let mut elements = Vec::with_capacity(reader.check_elements(count, code)?);
        for _ in 0..count {
            elements.push(Value::decode_data(code, reader)?);
        }
        reader.leave(outer)?;
        // As many levels as there were descriptors were gone down.
        descriptors.iter().for_each(|_| reader.rise());
        Ok(Self { descriptors, kind, elements })
    }
}

/// Reads the constructor of an array's elements: descriptors, each of them by `descriptor`, and the
/// format code, which it gives. Each descriptor is one level deeper.
pub(super) fn constructor<'a>(
    reader: &mut Reader<'a>,
    mut descriptor: impl FnMut(&mut Reader<'a>) -> Result<(), Error>,
) -> Result<u8, Error> {
    loop {
        match reader.octet()? {
            code::DESCRIBED => {
                reader.deepen()?;
                descriptor(reader)?;
            }
            code => return Ok(code),
        }
    }
}

impl Encode for Array {
    fn encode(&self, out: &mut BytesMut) {
        encode_compound(code::ARRAY8, code::ARRAY32, out, |out| {
            for descriptor in &self.descriptors {
                out.put_u8(code::DESCRIBED);
                descriptor.encode(out);
            }
            let code = self.element_code();
            out.put_u8(code);
            self.elements.iter().for_each(|element| encode_data(element, code, out));
            self.elements.len()
        });
    }
}

impl Array {
    /// The narrowest encoding that all elements fit into; but never one without octets where there
    /// is another, as peers are as wary of those as this crate.
    fn element_code(&self) -> u8 {
        let all = |fits: &dyn Fn(&Value) -> bool| self.elements.iter().all(fits);
        let short = |length: usize| u8::try_from(length).is_ok();
        let choose = |fits: bool, small, large| if fits { small } else { large };
        match self.kind {
            Kind::Null | Kind::Described => code::NULL,
            Kind::Boolean => code::BOOLEAN,
            Kind::Ubyte => code::UBYTE,
            Kind::Ushort => code::USHORT,
            Kind::Uint => {
                let fits = all(&|it| matches!(it, Value::Uint(it) if *it <= 255));
                choose(fits, code::SMALLUINT, code::UINT)
            }
            Kind::Ulong => {
                let fits = all(&|it| matches!(it, Value::Ulong(it) if *it <= 255));
                choose(fits, code::SMALLULONG, code::ULONG)
            }
            Kind::Byte => code::BYTE,
            Kind::Short => code::SHORT,
            Kind::Int => {
                let fits = all(&|it| matches!(it, Value::Int(it) if i8::try_from(*it).is_ok()));
                choose(fits, code::SMALLINT, code::INT)
            }
            Kind::Long => {
                let fits = all(&|it| matches!(it, Value::Long(it) if i8::try_from(*it).is_ok()));
                choose(fits, code::SMALLLONG, code::LONG)
            }
            Kind::Float => code::FLOAT,
            Kind::Double => code::DOUBLE,
            Kind::Decimal32 => code::DECIMAL32,
            Kind::Decimal64 => code::DECIMAL64,
            Kind::Decimal128 => code::DECIMAL128,
            Kind::Char => code::CHAR,
            Kind::Timestamp => code::TIMESTAMP,
            Kind::Uuid => code::UUID,
            Kind::Binary => {
                let fits = all(&|it| matches!(it, Value::Binary(it) if short(it.len())));
                choose(fits, code::VBIN8, code::VBIN32)
            }
            Kind::String => {
                let fits = all(&|it| matches!(it, Value::String(it) if short(it.len())));
                choose(fits, code::STR8_UTF8, code::STR32_UTF8)
            }
            Kind::Symbol => {
                let fits = all(&|it| matches!(it, Value::Symbol(it) if short(it.len())));
                choose(fits, code::SYM8, code::SYM32)
            }
            Kind::List => code::LIST32,
            Kind::Map => code::MAP32,
            Kind::Array => code::ARRAY32,
        }
    }
}

/// Writes an element as this format code has it, without the code.
fn encode_data(element: &Value, code: u8, out: &mut BytesMut) {
    match (code, element) {
        (code::BOOLEAN, Value::Boolean(value)) => out.put_u8(u8::from(*value)),
        (code::SMALLUINT, Value::Uint(value)) => out.put_u8(*value as u8),
        (code::SMALLULONG, Value::Ulong(value)) => out.put_u8(*value as u8),
        (code::SMALLINT, Value::Int(value)) => out.put_i8(*value as i8),
        (code::SMALLLONG, Value::Long(value)) => out.put_i8(*value as i8),
        (code::UINT, Value::Uint(value)) => out.put_u32(*value),
        (code::ULONG, Value::Ulong(value)) => out.put_u64(*value),
        (code::INT, Value::Int(value)) => out.put_i32(*value),
        (code::LONG, Value::Long(value)) => out.put_i64(*value),
        (code::VBIN32, Value::Binary(octets)) => put_counted(octets, out),
        (code::STR32_UTF8, Value::String(text)) => put_counted(text.as_bytes(), out),
        (code::SYM32, Value::Symbol(text)) => put_counted(text.as_bytes(), out),
        (code::LIST32 | code::MAP32 | code::ARRAY32, _) => encode_long_data(element, out),
        // All else has one encoding, or is short.
        _ => encode_without_code(element, out),
    }
}

/// Writes what follows the format code.
fn encode_without_code(element: &Value, out: &mut BytesMut) {
    let start = out.len();
    element.encode(out);
    drop_octet(start, out);
}

/// Writes size, count and contents of a list, a map or an array in the long encoding.
fn encode_long_data(element: &Value, out: &mut BytesMut) {
    let start = out.len();
    element.encode(out);
    match out.get(start..) {
        Some([code::LIST0]) => out.put_slice(&[0, 0, 0, 4, 0, 0, 0, 0]),
        Some(&[code::LIST8 | code::MAP8 | code::ARRAY8, _, count, ..]) => {
            lengthen(code::LIST32, start, usize::from(count), out);
        }
        _ => {}
    }
    drop_octet(start, out);
}

fn drop_octet(at: usize, out: &mut BytesMut) {
    out.copy_within(at + 1.., at);
    out.truncate(out.len() - 1);
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;
    use crate::{limits::ZERO_WIDTH_ELEMENTS_MAX, types::Symbol};

    fn read(octets: &[u8]) -> Result<Array, Error> {
        let octets = Bytes::copy_from_slice(octets);
        let mut reader = Reader::new(&octets);
        let array = Array::decode(&mut reader)?;
        reader.finish()?;
        Ok(array)
    }

    fn check(array: &Array, octets: &[u8]) {
        let mut out = BytesMut::new();
        array.encode(&mut out);
        assert_eq!(out, octets, "{array:?}");
        assert_eq!(read(octets).as_ref(), Ok(array));
    }

    #[test]
    fn an_array_has_one_constructor() {
        let symbols = ["PLAIN", "EXTERNAL"].map(|it| Value::from(Symbol::from_static(it)));
        let array = Array::new(Kind::Symbol, symbols.into()).unwrap();
        check(&array, b"\xe0\x11\x02\xa3\x05PLAIN\x08EXTERNAL");
        let array = Array::new(Kind::Uint, vec![1_u32.into(), 0_u32.into()]).unwrap();
        check(&array, b"\xe0\x04\x02\x52\x01\0");
        let array = Array::new(Kind::Boolean, vec![true.into(), false.into()]).unwrap();
        check(&array, b"\xe0\x04\x02\x56\x01\0");
        check(&Array::new(Kind::Symbol, vec![]).unwrap(), b"\xe0\x02\0\xa3");
    }

    #[test]
    fn elements_may_be_described_and_arrays_themselves() {
        let array = Array::described(
            vec![Symbol::from_static("a:b").into(), 7_u64.into()],
            Kind::Ubyte,
            vec![1_u8.into()],
        );
        check(&array.unwrap(), b"\xe0\x0c\x01\0\xa3\x03a:b\0\x53\x07\x50\x01");
        let inner = Array::new(Kind::Ubyte, vec![9_u8.into()]).unwrap();
        let array = Array::new(Kind::Array, vec![inner.into()]).unwrap();
        check(&array, b"\xe0\x0c\x01\xf0\0\0\0\x06\0\0\0\x01\x50\x09");
        let lists = vec![Value::List(vec![]), Value::List(vec![Value::Null])];
        check(
            &Array::new(Kind::List, lists).unwrap(),
            b"\xe0\x13\x02\xd0\0\0\0\x04\0\0\0\0\0\0\0\x05\0\0\0\x01\x40",
        );
    }

    #[test]
    fn elements_of_another_type_make_no_array() {
        let error = Array::new(Kind::Uint, vec![1_u32.into(), 1_u64.into()]).unwrap_err();
        assert_eq!(
            (error.fault(), error.at()),
            (&Fault::Element { found: Kind::Ulong, expected: Kind::Uint }, 1)
        );
    }

    #[test]
    fn a_count_without_octets_behind_it_is_no_bomb() {
        for code in [0x40_u8, 0x41, 0x42, 0x43, 0x44, 0x45] {
            let count = ZERO_WIDTH_ELEMENTS_MAX as u32;
            let array =
                |count: u32| [b"\xf0\0\0\0\x05", &count.to_be_bytes()[..], &[code]].concat();
            assert_eq!(read(&array(count)).unwrap().elements().len(), ZERO_WIDTH_ELEMENTS_MAX);
            for count in [count + 1, u32::MAX] {
                let error = read(&array(count)).unwrap_err();
                assert_eq!(error.fault(), &Fault::ZeroWidth { count });
            }
        }
        let error = read(b"\xf0\0\0\0\x09\xff\xff\xff\xff\x70\0\0\0\0").unwrap_err();
        assert_eq!(error.fault(), &Fault::Count { count: u32::MAX, left: 4 });
        // Many small arrays of many nulls each share one store.
        let inner = b"\x02\xff\x40".repeat(80);
        let size = u8::try_from(inner.len() + 2).unwrap();
        let error = read(&[&[0xe0, size, 80, 0xe0], &inner[..]].concat()).unwrap_err();
        assert_eq!(error.fault(), &Fault::ZeroWidth { count: 255 });
    }
}
