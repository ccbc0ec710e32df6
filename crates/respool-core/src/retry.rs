use redis::{Arg, Cmd, Pipeline};

/// What a [`Client`](crate::Client) may send again after its connection was lost under it.
///
/// Without being told so respool never does (rule CMD-7): the server may have executed what got no
/// reply. A backend may send what was never written on another connection in any case.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Retry {
    /// Nothing.
    #[default]
    Never,
    /// Commands that change nothing, by the table of [`is_read_only`], and pipelines of such
    /// commands.
    ReadOnly,
    /// Everything: whoever sends it says that executing it twice does no harm.
    Always,
}

impl Retry {
    pub(crate) fn allows(self, command: &Cmd) -> bool {
        match self {
            Retry::Never => false,
            Retry::ReadOnly => is_read_only(command),
            Retry::Always => true,
        }
    }

    pub(crate) fn allows_all(self, pipeline: &Pipeline) -> bool {
        pipeline.cmd_iter().all(|command| self.allows(command))
    }
}

/// Whether `command` only reads, so that sending it twice changes nothing. Unknown commands are taken
/// for ones that write.
pub fn is_read_only(command: &Cmd) -> bool {
    let mut arguments = command.args_iter();
    let Some(Arg::Simple(name)) = arguments.next() else {
        return false;
    };
    let mut buffer = [0; LONGEST];
    let Some(upper) = buffer.get_mut(..name.len()) else {
        return false;
    };
    upper.copy_from_slice(name);
    upper.make_ascii_uppercase();
    READ_ONLY
        .binary_search_by(|known| known.as_bytes().cmp(upper))
        .is_ok()
}

const LONGEST: usize = 20;

/// Commands that the server itself flags `readonly` (<https://redis.io/commands>), and ECHO, PING and
/// TIME, which touch no data. Sorted.
pub const READ_ONLY: &[&str] = &[
    "BITCOUNT",
    "BITFIELD_RO",
    "BITPOS",
    "DBSIZE",
    "DUMP",
    "ECHO",
    "EVALSHA_RO",
    "EVAL_RO",
    "EXISTS",
    "EXPIRETIME",
    "FCALL_RO",
    "GEODIST",
    "GEOHASH",
    "GEOPOS",
    "GEORADIUSBYMEMBER_RO",
    "GEORADIUS_RO",
    "GEOSEARCH",
    "GET",
    "GETBIT",
    "GETRANGE",
    "HEXISTS",
    "HEXPIRETIME",
    "HGET",
    "HGETALL",
    "HKEYS",
    "HLEN",
    "HMGET",
    "HPEXPIRETIME",
    "HPTTL",
    "HRANDFIELD",
    "HSCAN",
    "HSTRLEN",
    "HTTL",
    "HVALS",
    "KEYS",
    "LCS",
    "LINDEX",
    "LLEN",
    "LOLWUT",
    "LPOS",
    "LRANGE",
    "MGET",
    "PEXPIRETIME",
    "PFCOUNT",
    "PING",
    "PTTL",
    "RANDOMKEY",
    "SCAN",
    "SCARD",
    "SDIFF",
    "SINTER",
    "SINTERCARD",
    "SISMEMBER",
    "SMEMBERS",
    "SMISMEMBER",
    "SORT_RO",
    "SRANDMEMBER",
    "SSCAN",
    "STRLEN",
    "SUBSTR",
    "SUNION",
    "TIME",
    "TOUCH",
    "TTL",
    "TYPE",
    "XLEN",
    "XPENDING",
    "XRANGE",
    "XREVRANGE",
    "ZCARD",
    "ZCOUNT",
    "ZDIFF",
    "ZINTER",
    "ZINTERCARD",
    "ZLEXCOUNT",
    "ZMSCORE",
    "ZRANDMEMBER",
    "ZRANGE",
    "ZRANGEBYLEX",
    "ZRANGEBYSCORE",
    "ZRANK",
    "ZREVRANGE",
    "ZREVRANGEBYLEX",
    "ZREVRANGEBYSCORE",
    "ZREVRANK",
    "ZSCAN",
    "ZSCORE",
    "ZUNION",
];

#[cfg(test)]
mod tests {
    use super::*;
    use redis::{cmd, pipe};

    #[test]
    fn the_table_is_sorted_and_fits() {
        assert!(READ_ONLY.is_sorted());
        assert!(READ_ONLY.iter().all(|name| name.len() <= LONGEST));
    }

    #[test]
    fn only_what_reads_may_be_repeated_as_such() {
        assert!(Retry::ReadOnly.allows(&cmd("get")));
        assert!(Retry::ReadOnly.allows(&cmd("GeoRadiusByMember_RO")));
        for writes in [
            "SET",
            "GETDEL",
            "INCR",
            "EVAL",
            "",
            "A_COMMAND_WITH_A_VERY_LONG_NAME",
        ] {
            assert!(!Retry::ReadOnly.allows(&cmd(writes)), "{writes}");
        }
        assert!(Retry::Always.allows(&cmd("INCR")));
        assert!(!Retry::Never.allows(&cmd("GET")));
        assert!(Retry::ReadOnly.allows_all(pipe().cmd("GET").cmd("TTL")));
        assert!(!Retry::ReadOnly.allows_all(pipe().cmd("GET").cmd("EXPIRE")));
    }
}
