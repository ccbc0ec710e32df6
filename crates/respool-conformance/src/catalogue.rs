//! The list of all checks: the only one.

use crate::{Check, Severity, checks};

/// Calls the macro in brackets with `{ $context }` and every check: its name, which is that of its
/// test, the function, the rule, how it binds, and what it promises.
#[doc(hidden)]
#[macro_export]
macro_rules! for_each_check {
    ([$($with:tt)+] $($context:tt)*) => {
        $($with)+! {
            { $($context)* }

            get_1_one_holder_at_a_time = checks::get::one_holder_at_a_time, "GET-1", Must,
                "a connection has one holder at a time";
            get_2_never_more_than_max_size = checks::get::never_more_than_max_size, "GET-2", Must,
                "the server never sees more than max_size connections of a pool, whatever goes wrong";
            get_3_ends_in_time_and_says_why = checks::get::ends_in_time_and_says_why, "GET-3", Must,
                "get ends within get_timeout, and its error says which wait ran out and why it could not connect";
            get_4_first_come_first_served = checks::get::first_come_first_served, "GET-4", Must,
                "waiters are served first come, first served, and nobody overtakes";
            get_5_cancelled_gets_lose_no_slot = checks::get::cancelled_gets_lose_no_slot, "GET-5", Must,
                "any number of cancelled gets lose no slot";
            get_6_a_crowd_opens_no_more_than_it_needs = checks::get::a_crowd_opens_no_more_than_it_needs, "GET-6", Must,
                "a crowd opens no more connections than it needs, and a cancelled get throws none away";

            ret_1_slot_comes_back = checks::ret::slot_comes_back, "RET-1", Must,
                "the slot comes back after drop, panic and task abort";
            ret_2_dropping_is_safe_anywhere = checks::ret::dropping_is_safe_anywhere, "RET-2", Must,
                "dropping a connection is safe outside a runtime, on another thread, and while the runtime shuts down";
            ret_3_next_holder_sees_a_fresh_session = checks::ret::next_holder_sees_a_fresh_session, "RET-3", Must,
                "the next holder never sees the previous one's session";
            ret_4_a_clean_return_costs_no_round_trip = checks::ret::a_clean_return_costs_no_round_trip, "RET-4", Must,
                "a clean return costs no round trip, and a steady workload sends no PING";

            see_1_every_snapshot_adds_up = checks::see::every_snapshot_adds_up, "SEE-1", Must,
                "the figures of every snapshot add up";
            see_2_at_rest_it_is_at_rest = checks::see::at_rest_it_is_at_rest, "SEE-2", Must,
                "the status is exact while connections are held and waited for, and at rest when the pool is";
            see_3_no_secret_is_shown = checks::see::no_secret_is_shown, "SEE-3", Must,
                "no password is shown in Debug, Display or errors";
            see_4_opened_is_closed_plus_size = checks::see::opened_is_closed_plus_size, "SEE-4", Must,
                "what was opened is what was closed, by reason, and what is there, as at the server";

            cmd_1_nobody_gets_anothers_reply = checks::cmd::nobody_gets_anothers_reply, "CMD-1", Must,
                "nobody ever receives another's reply, whatever was given up before";
            cmd_2_a_pop_given_up_takes_nothing = checks::cmd::a_pop_given_up_takes_nothing, "CMD-2", Must,
                "a blocking pop that was cancelled or timed out takes no element afterwards";
            cmd_3_a_blocking_commands_own_time_out_governs = checks::cmd::a_blocking_commands_own_time_out_governs, "CMD-3", Must,
                "a blocking command waits for its own time-out and holds up nobody else";
            cmd_4_a_silent_server_costs_at_most_response_timeout = checks::cmd::a_silent_server_costs_at_most_response_timeout, "CMD-4", Must,
                "a server that stops answering costs at most response_timeout, and the connection is not used again";
            cmd_5_malformed_bytes_are_an_error_within_bounds = checks::cmd::malformed_bytes_are_an_error_within_bounds, "CMD-5", Must,
                "malformed bytes, absurd lengths and deep nesting are a protocol error and close that connection";
            cmd_6_pushed_messages_shift_nothing = checks::cmd::pushed_messages_shift_nothing, "CMD-6", Must,
                "pushed messages never shift replies, and a reply that nobody asked for never becomes somebody's";
            cmd_7_executed_at_most_once = checks::cmd::executed_at_most_once, "CMD-7", Must,
                "a command that may have reached the server is never sent again, and its error says that it may have been executed";

            life_1_closed_connections_are_not_handed_out = checks::life::closed_connections_are_not_handed_out, "LIFE-1", Must,
                "a connection that the server closed while it was idle is not handed out";
            life_2_recovers_by_itself = checks::life::recovers_by_itself, "LIFE-2", Must,
                "after the server was killed and restarted the pool works again by itself, and only commands under way fail";
            life_3_dialling_is_bounded = checks::life::dialling_is_bounded, "LIFE-3", Must,
                "while the server is down attempts are few, one at a time and with pauses, and its return brings no storm";
            life_4_connections_are_renewed_in_time = checks::life::connections_are_renewed_in_time, "LIFE-4", Must,
                "idle_timeout and max_lifetime are kept without traffic, and min_idle is kept up or refused";
            life_5_belongs_to_no_runtime = checks::life::belongs_to_no_runtime, "LIFE-5", Must,
                "a pool works from any runtimes, one after another and at once, and survives their end";
            life_6_the_end_is_an_end = checks::life::the_end_is_an_end, "LIFE-6", Must,
                "close tells waiters at once, gives holders their grace, and leaves no socket and no task";
            life_7_an_unfit_node_is_left = checks::life::an_unfit_node_is_left, "LIFE-7", Must,
                "a reply that says that its node no longer serves reaches the caller and retires its connection";
            life_8_cancelled_commands_do_not_churn = checks::life::cancelled_commands_do_not_churn, "LIFE-8", Should,
                "cancelled ordinary commands open no more connections than max_size";

            shr_1_ten_thousand_at_once = checks::shr::ten_thousand_at_once, "SHR-1", Must,
                "of 10,000 commands at once on ten connections each gets its own reply";
            shr_2_others_are_never_harmed = checks::shr::others_are_never_harmed, "SHR-2", Must,
                "a command that needs a connection of its own gets one or is refused, and harms nobody else";
            shr_3_a_large_reply_stops_nobody = checks::shr::large_reply_stops_nobody, "SHR-3", Must,
                "while a large reply travels to one user of a Client, small commands of the others go on";
        }
    };
}

macro_rules! list_of_checks {
    ({} $($name:ident = $check:path, $rule:literal, $severity:ident, $promise:literal;)*) => {
        &[$(
            Check {
                rule: $rule,
                name: stringify!($name),
                severity: Severity::$severity,
                promise: $promise,
                run: $check,
            },
        )*]
    };
}

/// Every check, in the order of the rules.
pub fn all() -> &'static [Check] {
    const ALL: &[Check] = for_each_check! { [list_of_checks] };
    ALL
}

/// The check of this name.
///
/// # Panics
///
/// When there is none.
pub(crate) fn find(name: &str) -> &'static Check {
    all()
        .iter()
        .find(|check| check.name == name)
        .unwrap_or_else(|| panic!("no check is called {name}"))
}
