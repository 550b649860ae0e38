//! What the generated types have in common: composite types, newtypes of a wire type, types with a
//! few values, symbols of which only some are known, and one of several composite types
//! (AMQP 1.0 §1.3, §1.4).

/// Reads and writes a composite type by its fields.
macro_rules! composite {
    ($name:ident) => {
        impl $crate::Decode for $name {
            #[inline]
            fn decode_data(
                code: u8,
                reader: &mut $crate::Reader<'_>,
            ) -> Result<Self, $crate::Error> {
                $crate::composite::decode(code, reader)
            }
        }

        impl $crate::Encode for $name {
            #[inline]
            fn encode(&self, out: &mut ::bytes::BytesMut) {
                $crate::composite::encode(self, out);
            }
        }
    };
}

/// Reads and writes a newtype as what is in it.
macro_rules! newtype {
    ($name:ident, $source:ty) => {
        impl $crate::Decode for $name {
            #[inline]
            fn decode_data(
                code: u8,
                reader: &mut $crate::Reader<'_>,
            ) -> Result<Self, $crate::Error> {
                <$source as $crate::Decode>::decode_data(code, reader).map(Self)
            }
        }

        impl $crate::Encode for $name {
            #[inline]
            fn encode(&self, out: &mut ::bytes::BytesMut) {
                $crate::Encode::encode(&self.0, out);
            }
        }
    };
}

/// Reads and writes a type that has only these values of its source.
macro_rules! choices {
    ($name:ident, $words:literal, $source:ident, $($value:literal => $variant:ident),+ $(,)?) => {
        impl $crate::Decode for $name {
            #[inline]
            fn decode_data(
                code: u8,
                reader: &mut $crate::Reader<'_>,
            ) -> Result<Self, $crate::Error> {
                let found = <$source as $crate::Decode>::decode_data(code, reader)?;
                $(if found == $value {
                    return Ok(Self::$variant);
                })+
                let found = $crate::fault::shown(&found.to_string());
                Err(reader.fault($crate::Fault::Choice { found, expected: $words }))
            }
        }

        impl $crate::Encode for $name {
            #[inline]
            fn encode(&self, out: &mut ::bytes::BytesMut) {
                match self {
                    $(Self::$variant => choices!(@write $source, $value, out),)+
                }
            }
        }
    };
    (@write Symbol, $value:literal, $out:ident) => {
        $crate::Encode::encode(&$crate::types::Symbol::from_static($value), $out)
    };
    (@write $source:ident, $value:literal, $out:ident) => {{
        let value: $source = $value;
        $crate::Encode::encode(&value, $out)
    }};
}

/// Reads and writes a symbol of which these values are known.
macro_rules! open_choices {
    ($name:ident, $($value:literal => $variant:ident),+ $(,)?) => {
        impl $name {
            /// The symbol.
            pub fn as_str(&self) -> &str {
                match self {
                    $(Self::$variant => $value,)+
                    Self::Other(symbol) => symbol.as_str(),
                }
            }
        }

        impl From<$crate::types::Symbol> for $name {
            fn from(symbol: $crate::types::Symbol) -> Self {
                match symbol.as_str() {
                    $($value => Self::$variant,)+
                    _ => Self::Other(symbol),
                }
            }
        }

        impl AsRef<str> for $name {
            fn as_ref(&self) -> &str {
                self.as_str()
            }
        }

        impl ::std::fmt::Display for $name {
            fn fmt(&self, f: &mut ::std::fmt::Formatter<'_>) -> ::std::fmt::Result {
                f.write_str(self.as_str())
            }
        }

        impl $crate::Decode for $name {
            fn decode_data(
                code: u8,
                reader: &mut $crate::Reader<'_>,
            ) -> Result<Self, $crate::Error> {
                <$crate::types::Symbol as $crate::Decode>::decode_data(code, reader)
                    .map(Self::from)
            }
        }

        impl $crate::Encode for $name {
            fn encode(&self, out: &mut ::bytes::BytesMut) {
                match self {
                    $(Self::$variant => {
                        $crate::Encode::encode(&$crate::types::Symbol::from_static($value), out);
                    })+
                    Self::Other(symbol) => $crate::Encode::encode(symbol, out),
                }
            }
        }
    };
}

/// Reads and writes a value that is one of these composite types, told apart by its descriptor.
macro_rules! one_of {
    ($name:ident, $words:literal, $($variant:ident($composite:ident)),+ $(,)?) => {
        impl $crate::Decode for $name {
            #[inline]
            fn decode_data(
                code: u8,
                reader: &mut $crate::Reader<'_>,
            ) -> Result<Self, $crate::Error> {
                let descriptor = $crate::composite::decode_descriptor(code, $words, reader)?;
                $(if descriptor == <$composite as $crate::Composite>::CODE {
                    let composite: $composite = $crate::composite::decode_list(reader)?;
                    return Ok(Self::$variant(composite.into()));
                })+
                Err($crate::composite::unexpected(descriptor, $words, reader))
            }
        }

        impl $crate::Encode for $name {
            #[inline]
            fn encode(&self, out: &mut ::bytes::BytesMut) {
                match self {
                    $(Self::$variant(composite) => $crate::Encode::encode(composite, out),)+
                }
            }
        }

        $(impl From<$composite> for $name {
            fn from(composite: $composite) -> Self {
                Self::$variant(composite.into())
            }
        })+
    };
}

/// Makes types bodies of frames.
macro_rules! frame_bodies {
    ($frame_type:ident, $($name:ident),+ $(,)?) => {$(
        impl $crate::FrameBody for $name {
            const FRAME_TYPE: u8 = $crate::frame::$frame_type;
        }
    )+};
}

pub(crate) use {choices, composite, frame_bodies, newtype, one_of, open_choices};
