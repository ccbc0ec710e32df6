use redis::Value;

use crate::{Frames, decode};

/// Panics where [`decode`] and the redis crate don't make the same of `bytes`, but for lines that are not
/// UTF-8, which only the redis crate refuses.
///
/// Where they are exactly one frame, both must make the same value of them, or both refuse them. Of
/// other bytes the redis crate is only asked when there is a value to compare: in them may stand what
/// [`Frames`] is there to keep from it.
#[doc(hidden)]
#[cfg_attr(
    not(feature = "fuzzing"),
    allow(unreachable_pub, reason = "only the fuzz target is outside")
)]
pub fn assert_agreement(bytes: &[u8]) {
    let own = decode(bytes);
    if own.is_err() && !is_one_frame(bytes) {
        return;
    }
    let theirs = redis::parse_redis_value(bytes);
    let agree = match (&own, &theirs) {
        (Ok(own), Ok(theirs)) => are_same(own, theirs),
        (Ok(_), Err(_)) => str::from_utf8(bytes).is_err(),
        (own, theirs) => own.is_err() && theirs.is_err(),
    };
    assert!(
        agree,
        "of {:?} we make {own:?}, the redis crate {theirs:?}",
        bytes.escape_ascii().to_string()
    );
}

/// Whether `bytes` are one frame, from its first byte to its last.
pub(crate) fn is_one_frame(bytes: &[u8]) -> bool {
    let ended = Frames::new().next(bytes);
    ended.is_ok_and(|ended| ended.is_some_and(|ended| ended.used == bytes.len()))
}

/// Equality in which "not a number" is equal to itself, and zero is not to minus zero.
fn are_same(one: &Value, other: &Value) -> bool {
    match (one, other) {
        (Value::Double(one), Value::Double(other)) => one.to_bits() == other.to_bits(),
        (Value::Array(one), Value::Array(other)) | (Value::Set(one), Value::Set(other)) => {
            are_all_same(one, other)
        }
        (Value::Map(one), Value::Map(other)) => are_pairs_same(one, other),
        (
            Value::Push { kind, data },
            Value::Push {
                kind: other_kind,
                data: other_data,
            },
        ) => kind == other_kind && are_all_same(data, other_data),
        (
            Value::Attribute { data, attributes },
            Value::Attribute {
                data: other_data,
                attributes: other_attributes,
            },
        ) => are_same(data, other_data) && are_pairs_same(attributes, other_attributes),
        (one, other) => one == other,
    }
}

fn are_all_same(one: &[Value], other: &[Value]) -> bool {
    one.len() == other.len()
        && one
            .iter()
            .zip(other)
            .all(|(one, other)| are_same(one, other))
}

fn are_pairs_same(one: &[(Value, Value)], other: &[(Value, Value)]) -> bool {
    one.len() == other.len()
        && one
            .iter()
            .zip(other)
            .all(|(one, other)| are_same(&one.0, &other.0) && are_same(&one.1, &other.1))
}
