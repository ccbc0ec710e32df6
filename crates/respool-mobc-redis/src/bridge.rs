//! Between the redis crate of the contract and that of mobc-redis.

respool_connect::bridge_redis! {
    /// To redis 0.28, which mobc-redis 0.9 uses.
    mod redis_0_28 => mobc_redis::redis
}

#[cfg(test)]
mod tests {
    use super::redis_0_28;
    use mobc_redis::redis as other;

    #[test]
    fn an_error_reply_stays_an_error_reply() {
        let theirs = other::parse_redis_value(b"-WRONGTYPE of key\r\n").unwrap();
        match redis_0_28::value(theirs) {
            redis::Value::ServerError(error) => {
                assert_eq!(error.code(), "WRONGTYPE");
                assert_eq!(error.details(), Some("of key"));
            }
            value => panic!("{value:?}"),
        }
    }

    #[test]
    fn nested_replies_keep_their_shape() {
        let bytes = b"*3\r\n$1\r\na\r\n*2\r\n:1\r\n$-1\r\n+OK\r\n";
        let theirs = other::parse_redis_value(bytes).unwrap();
        let ours = redis::parse_redis_value(bytes).unwrap();
        assert_eq!(redis_0_28::value(theirs), ours);
    }

    #[test]
    fn a_bridged_command_is_packed_the_same() {
        let mut command = redis::cmd("SET");
        command.arg("key").arg(&b"\x00\xff"[..]).arg(7);
        assert_eq!(
            redis_0_28::command(&command).get_packed_command(),
            command.get_packed_command()
        );
    }
}
