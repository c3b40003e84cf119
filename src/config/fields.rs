//! The field names of a configuration struct, asked of its own `Deserialize`: so that all unknown keys of a table can be
//! named at once, with the nearest valid name, and no list is kept by hand.

use serde::de::{Deserialize, Deserializer, Error as _, Visitor, value::Error};

struct Asker<'a>(&'a mut &'static [&'static str]);

impl<'de> Deserializer<'de> for Asker<'_> {
    type Error = Error;
    fn deserialize_any<V: Visitor<'de>>(self, _: V) -> Result<V::Value, Error> {
        Err(Error::custom("only structs have fields"))
    }
    fn deserialize_struct<V: Visitor<'de>>(self, _: &'static str, fields: &'static [&'static str], _: V) -> Result<V::Value, Error> {
        *self.0 = fields;
        Err(Error::custom("asked"))
    }
    serde::forward_to_deserialize_any! {
        bool i8 i16 i32 i64 u8 u16 u32 u64 f32 f64 char str string bytes byte_buf option unit unit_struct newtype_struct
        seq tuple tuple_struct map enum identifier ignored_any
    }
}

/// Names of the fields of `T`, which is a struct; empty for anything else.
pub fn of<'de, T: Deserialize<'de>>() -> &'static [&'static str] {
    let mut found: &'static [&'static str] = &[];
    let _ = T::deserialize(Asker(&mut found));
    found
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_struct_tells_its_fields() {
        assert_eq!(super::of::<crate::runtime::Align>(), ["reference", "window_ms", "deadline_ms", "offset_ms"]);
        assert!(super::of::<Vec<u8>>().is_empty());
    }
}
