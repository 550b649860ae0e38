//! The primitive types, without their values.

use std::fmt;

use crate::generated::format_code as code;

/// A primitive type, or "described": any other, said by its descriptor.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// Nothing.
    Null,
    /// True or false.
    Boolean,
    /// 8 bits, unsigned.
    Ubyte,
    /// 16 bits, unsigned.
    Ushort,
    /// 32 bits, unsigned.
    Uint,
    /// 64 bits, unsigned.
    Ulong,
    /// 8 bits, signed.
    Byte,
    /// 16 bits, signed.
    Short,
    /// 32 bits, signed.
    Int,
    /// 64 bits, signed.
    Long,
    /// IEEE 754 binary32.
    Float,
    /// IEEE 754 binary64.
    Double,
    /// IEEE 754 decimal32.
    Decimal32,
    /// IEEE 754 decimal64.
    Decimal64,
    /// IEEE 754 decimal128.
    Decimal128,
    /// A Unicode character.
    Char,
    /// A moment.
    Timestamp,
    /// A UUID.
    Uuid,
    /// Octets.
    Binary,
    /// UTF-8.
    String,
    /// ASCII.
    Symbol,
    /// Values in a row.
    List,
    /// Keys with values.
    Map,
    /// Values of one type in a row.
    Array,
    /// A value and what it means.
    Described,
}

impl Kind {
    /// The type that has this format code.
    pub(crate) const fn of_code(code: u8) -> Option<Self> {
        Some(match code {
            code::DESCRIBED => Self::Described,
            code::NULL => Self::Null,
            code::BOOLEAN | code::TRUE | code::FALSE => Self::Boolean,
            code::UBYTE => Self::Ubyte,
            code::USHORT => Self::Ushort,
            code::UINT | code::SMALLUINT | code::UINT0 => Self::Uint,
            code::ULONG | code::SMALLULONG | code::ULONG0 => Self::Ulong,
            code::BYTE => Self::Byte,
            code::SHORT => Self::Short,
            code::INT | code::SMALLINT => Self::Int,
            code::LONG | code::SMALLLONG => Self::Long,
            code::FLOAT => Self::Float,
            code::DOUBLE => Self::Double,
            code::DECIMAL32 => Self::Decimal32,
            code::DECIMAL64 => Self::Decimal64,
            code::DECIMAL128 => Self::Decimal128,
            code::CHAR => Self::Char,
            code::TIMESTAMP => Self::Timestamp,
            code::UUID => Self::Uuid,
            code::VBIN8 | code::VBIN32 => Self::Binary,
            code::STR8_UTF8 | code::STR32_UTF8 => Self::String,
            code::SYM8 | code::SYM32 => Self::Symbol,
            code::LIST0 | code::LIST8 | code::LIST32 => Self::List,
            code::MAP8 | code::MAP32 => Self::Map,
            code::ARRAY8 | code::ARRAY32 => Self::Array,
            _ => return None,
        })
    }

    /// The type's name in the specification.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Boolean => "boolean",
            Self::Ubyte => "ubyte",
            Self::Ushort => "ushort",
            Self::Uint => "uint",
            Self::Ulong => "ulong",
            Self::Byte => "byte",
            Self::Short => "short",
            Self::Int => "int",
            Self::Long => "long",
            Self::Float => "float",
            Self::Double => "double",
            Self::Decimal32 => "decimal32",
            Self::Decimal64 => "decimal64",
            Self::Decimal128 => "decimal128",
            Self::Char => "char",
            Self::Timestamp => "timestamp",
            Self::Uuid => "uuid",
            Self::Binary => "binary",
            Self::String => "string",
            Self::Symbol => "symbol",
            Self::List => "list",
            Self::Map => "map",
            Self::Array => "array",
            Self::Described => "described value",
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
