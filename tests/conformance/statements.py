"""Every statement that the standards make of a server like this one, and the tests that prove it. `python -m tests.conformance.statements`
writes docs/statements.md from this table; a test holds the two together, and looks whether every test that is named here exists.

The numbers are those of the project's list; what is missing between them was never given. A test is `file::function`, under `tests/`.
"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

PAGE = Path(__file__).parents[2] / "docs" / "statements.md"


class Statement(NamedTuple):
    number: int
    text: str
    source: str
    tests: tuple[str, ...]


MESSAGES = "conformance/test_statements_messages.py::"
NAMES = "conformance/test_statements_names.py::"
ODD = ("conformance/test_odd_input.py::test_probe", "conformance/test_standards.py::test_odd_input_over_sockets")
LISTS = "conformance/test_standards.py::test_every_question_of_the_list"
ROWS = "answer/test_rows.py::test_row"
RESOLVE = "server/test_resolve.py::"
REPLY = "answer/test_believe.py::"
CACHE = "cache/test_cache.py::"
EXCHANGE = "forward/test_forward_exchange.py::"
STREAM = "forward/test_forward_stream.py::"
FORWARDER = "forward/test_forward_forwarder.py::"
HOSTILE = "forward/test_forward_hostile.py::"
TCP = "server/test_tcp.py::"
SPECIAL = ("answer/test_special_use.py::test_every_one_is_answered_here", ROWS)


def _of(number: int, text: str, source: str, *tests: str) -> Statement:
    return Statement(number, text, source, tests)


GROUPS: dict[str, tuple[Statement, ...]] = {
    "Messages": (
        _of(1, "A datagram shorter than a header gets no reply and is counted, without a line in the log.", "RFC 1035 §4.1.1", f"{MESSAGES}test_a_01_and_a_02_what_is_no_query_is_counted_and_never_answered", *ODD),
        _of(2, "A reply (QR=1) that is sent to a server is never answered.", "RFC 1035 §7.3", f"{MESSAGES}test_a_01_and_a_02_what_is_no_query_is_counted_and_never_answered", *ODD),
        _of(3, "A reply repeats id, opcode, RD and the question octet for octet; Z is clear.", "RFC 1035 §4.1.1", f"{MESSAGES}test_a_03_what_a_reply_repeats", LISTS),
        _of(4, "Unknown operations get NOTIMP with every flag and count clear.", "RFC 8906 §8.1.4", f"{MESSAGES}test_a_04_an_operation_that_is_not_known", LISTS),
        _of(5, "Two questions, and none without a cookie, are FORMERR.", "RFC 9619 §4, RFC 7873 §5.4", *ODD, f"{MESSAGES}test_a_67_a_cookie_by_itself"),
        _of(6, "A question that cannot be read is FORMERR without a question, and costs next to nothing.", "RFC 1035 §2.3.4, §4.1.4", *ODD, "conformance/test_fuzz.py::test_the_costliest_that_were_found_are_cheap"),
        _of(7, "A name of 255 octets is answered.", "RFC 1035 §2.3.4", f"{MESSAGES}test_a_07_a_name_of_255_octets"),
        _of(8, "Any octet may stand in a label; in texts it is escaped.", "RFC 2181 §11", f"{MESSAGES}test_a_08_any_octet_is_legal_in_a_label", "wire/test_name.py::test_wire_text_wire", "log/test_lines.py::test_one_event_is_one_line_whatever_a_backend_calls_its_services"),
        _of(9, "Unknown types: NODATA for our names; of others the data pass as they are.", "RFC 3597 §3, §4", ROWS, f"{RESOLVE}test_other_rcodes_and_types_pass", "wire/test_relay.py::test_unknown_types_and_rcodes_pass"),
        _of(10, "Other classes than IN and CH are REFUSED.", "RFC 6895 §3.2", "answer/test_rows.py::test_other_classes_are_refused", *ODD),
        _of(11, "A TTL with the top bit is 0; kept TTLs have bounds; an RRset leaves with one TTL, the lowest.", "RFC 2181 §5.2, §8", f"{REPLY}test_ttls_with_the_top_bit_are_nothing", f"{CACHE}test_positive_ttls_are_kept_within_bounds_that_the_client_sees", "answer/test_zone_records.py::test_an_rrset_leaves_with_its_lowest_ttl"),
        _of(12, "A reply leaves from the address and port that was asked.", "RFC 2181 §4", "whole/test_serve.py::test_a_reply_comes_from_the_address_that_was_asked", "server/test_udp.py::test_every_way_gives_the_same_replies"),
        _of(13, "RA where we forward for this client, AA for our own names alone, AD only where the upstream is trusted, CD copied.", "RFC 1034 §4.3.1, RFC 6840 §5.8", f"{MESSAGES}test_a_13_the_flags_that_say_who_speaks", f"{RESOLVE}test_aa_is_for_our_own_names_alone", f"{RESOLVE}test_ad_is_for_those_who_ask_where_the_upstream_is_trusted"),
        _of(14, "Pointers go backwards only; SRV targets are not compressed.", "RFC 1035 §4.1.4, RFC 2782", f"{MESSAGES}test_a_14_names_are_compressed_backwards_and_srv_targets_not_at_all"),
        _of(15, "Names are compared by ASCII case alone, and the reply keeps the case of the question.", "RFC 4343 §3, §4.1", f"{MESSAGES}test_a_15_names_are_compared_by_ascii_case_alone", "answer/test_rows.py::test_the_owner_keeps_the_case_of_the_question"),
        _of(16, "AA, TC, RA, AD, CD and Z in a query change nothing.", "RFC 8906 §8.1.3", f"{MESSAGES}test_a_16_flags_that_mean_nothing_in_a_query_change_nothing", LISTS),
    ),
    "Names of our own": (
        _of(20, "The apex has SOA and NS, whose target is in the zone; the serial never goes backward.", "RFC 1034 §4.2.1, RFC 1982", f"{NAMES}test_a_20_the_apex_has_soa_and_ns_and_the_ns_resolves_inside_the_zone", "control/test_run.py::test_the_serial_starts_at_the_unix_time_and_survives_in_the_state_dir", "control/test_parts.py::test_serials_rise_and_a_bound_is_reserved_before_it_is_reached"),
        _of(21, "Negative answers carry the SOA, with the TTL that counts, and AA.", "RFC 2308 §2, §3", ROWS),
        _of(22, "What only has something below it exists: NODATA.", "RFC 4592 §2.2.2", f"{NAMES}test_a_22_a_24_and_a_30_a_name_that_is_there_is_there_for_every_type", ROWS, "answer/test_zone_records.py::test_a_protocol_is_there_only_above_a_port"),
        _of(23, "Below a name that does not exist nothing does.", "RFC 8020 §2", "zone/test_above.py::test_nothing_exists_below_a_name_that_does_not"),
        _of(24, "A name with A and without AAAA: NODATA for AAAA.", "RFC 2308 §2.2, RFC 4074 §4.2", f"{NAMES}test_a_22_a_24_and_a_30_a_name_that_is_there_is_there_for_every_type", ROWS),
        _of(25, "What a provider might know is not denied before it was heard: SERVFAIL with the reason, or what was known.", "RFC 2308 §7, RFC 8767 §4", "answer/test_rows.py::test_a_name_that_a_provider_might_know_is_not_denied", "server/test_run.py::test_before_a_catalog_is_in_it_does_not_deny_names", "whole/test_state.py::test_a_start_without_the_backend_answers_the_names_of_the_last_run"),
        _of(26, "CNAME: for every type but itself, followed inside our data, and loops end with what was collected.", "RFC 1034 §3.6.2, RFC 2181 §10.1", "answer/test_zone_records.py::test_aliases_in_a_circle_are_told_once_each", "answer/test_zone_records.py::test_any_of_an_alias_is_the_alias", "answer/test_upstream.py::test_zone_files"),
        _of(27, "SRV: the target has addresses, which come along, and is no alias; `.` as target passes.", "RFC 2782", f"{NAMES}test_a_27_a_target_is_a_name_with_addresses_and_never_an_alias", f"{NAMES}test_a_27_a_service_that_is_not_offered", "answer/test_rows.py::test_srv_answers_carry_the_addresses_of_every_target"),
        _of(28, "Addresses of instances have PTR records.", "RFC 3596 §2.5", ROWS),
        _of(29, "What browsers of DNS-SD ask first exists. It is NODATA: types and instances are not listed yet.", "RFC 6763 §9", ROWS),
        _of(30, "SVCB and HTTPS: NODATA unless configured.", "RFC 9460 §3", f"{NAMES}test_a_22_a_24_and_a_30_a_name_that_is_there_is_there_for_every_type", ROWS),
        _of(31, "ANY gets a minimal answer.", "RFC 8482 §4", "answer/test_rows.py::test_any_is_answered_minimally", *ODD),
        _of(32, "AXFR and IXFR are REFUSED.", "RFC 5936 §4.2", "answer/test_rows.py::test_transfers_are_refused", *ODD),
        _of(33, "UPDATE and NOTIFY are REFUSED.", "RFC 2136 §3, RFC 1996 §3", *ODD),
        _of(34, "A TSIG key that is not known: NOTAUTH, BADKEY, unsigned.", "RFC 8945 §5.2.1", *ODD),
        _of(35, "A wildcard covers neither what exists nor what has something below it.", "RFC 4592 §2.2.1, §3.3", "zone/test_above.py::test_a_wildcard_answers_for_its_closest_encloser_alone"),
        _of(36, "Other names, without upstreams: REFUSED, without RA and without a referral.", "RFC 1034 §4.3.1", "answer/test_rows.py::test_a_name_that_is_not_ours_is_refused_without_upstreams"),
        _of(37, "The order of an RRset is drawn, its set is the same by UDP, TCP and in any spelling.", "RFC 2181 §5", f"{NAMES}test_a_37_the_set_is_the_same_by_every_way", "answer/test_order.py::test_the_first_address_is_drawn_by_weight"),
    ),
    "Other names, and what is kept of them": (
        _of(40, "Only the reply to our question from whom we asked counts; after any other one the wait goes on.", "RFC 5452 §9.1", f"{HOSTILE}test_lies_on_the_same_socket_are_waited_past", f"{HOSTILE}test_any_lie_first_and_then_the_truth", f"{EXCHANGE}test_a_reply_from_another_port_never_arrives"),
        _of(41, "Ports and ids are drawn for every question, and nobody asks the same twice at a time.", "RFC 5452 §9.2", f"{FORWARDER}test_ports_and_ids_are_not_to_be_foreseen", f"{FORWARDER}test_a_thousand_who_ask_the_same_share_one_query", f"{NAMES}test_a_41_and_a_54_two_who_ask_the_same_are_one_question_and_no_more"),
        _of(42, "A near miss sends the question over TCP.", "RFC 5452 §9", f"{EXCHANGE}test_a_wrong_id_sends_the_question_over_tcp", f"{HOSTILE}test_guessed_ids_get_one_guess_a_port"),
        _of(43, "Only the question's own chain of aliases is believed.", "RFC 2181 §5.4.1", f"{REPLY}test_nothing_else_is", f"{REPLY}test_a_soa_of_another_zone_is_not_kept", f"{RESOLVE}test_a_hostile_upstream_plants_nothing"),
        _of(44, "TC is asked again over TCP; when that fails, nothing of it is kept.", "RFC 2181 §9, RFC 7766 §5", f"{EXCHANGE}test_tc_is_asked_over_tcp", "server/test_resolve_whole.py::test_tcp_that_gives_nothing_after_a_cut_reply_is_an_error_and_nothing_is_kept"),
        _of(45, "Rcodes and types that are not known pass.", "RFC 5625 §4", f"{RESOLVE}test_other_rcodes_and_types_pass", f"{EXCHANGE}test_other_rcodes_pass_through"),
        _of(46, "EDNS is between neighbours: our own OPT goes upstream, none of theirs comes down.", "RFC 6891 §6.1.1", f"{RESOLVE}test_edns_is_hop_by_hop", f"{EXCHANGE}test_flags_and_do_go_upstream_with_an_opt_record_of_our_own"),
        _of(47, "TTLs count down by a clock that nobody sets.", "RFC 1035 §3.2.1", f"{RESOLVE}test_the_wall_clock_changes_nothing", f"{CACHE}test_ttls_count_down_in_place_and_end_together"),
        _of(48, "NXDOMAIN is kept for the name, NODATA for the type, as long as the SOA says; without one for a moment.", "RFC 2308 §5", f"{CACHE}test_nxdomain_covers_every_type_and_nodata_one", f"{CACHE}test_negative_answers_hold_as_long_as_their_soa_says", f"{RESOLVE}test_a_name_that_does_not_exist_has_no_type"),
        _of(49, "A denial from the cache carries the SOA with what is left of its TTL.", "RFC 2308 §6", f"{NAMES}test_a_49_a_denial_from_the_cache_has_its_soa_with_what_is_left_of_it"),
        _of(50, "Failures are kept for 1 s to 30 s.", "RFC 9520 §3.2", f"{RESOLVE}test_failures_are_remembered_for_a_moment", f"{CACHE}test_failures_are_remembered_longer_each_time"),
        _of(51, "A denial that is kept takes nothing away from our zones or from a rule for what is below it.", "RFC 8020 §2", f"{NAMES}test_a_51_a_denial_above_us_takes_nothing_of_ours_away", f"{RESOLVE}test_what_has_become_ours_is_forgotten"),
        _of(52, "DO and CD have answers of their own.", "RFC 4035 §3.2.2, §4.7", f"{RESOLVE}test_do_and_cd_have_answers_of_their_own", "cache/test_keys.py::test_a_million_pairs_that_look_alike"),
        _of(53, "What is past its end is given when no upstream answers, with TTL 30 and the reason; a fresh NXDOMAIN ends it.", "RFC 8767 §4 to §6", f"{RESOLVE}test_stale_answers_when_nobody_answers", f"{RESOLVE}test_a_client_waits_so_long_and_no_longer_while_the_question_goes_on", f"{CACHE}test_a_fresh_nxdomain_replaces_stale_data_at_once", "server/test_resolve_whole.py::test_an_upstream_that_goes_silent_is_not_felt"),
        _of(54, "All who ask one missing name are answered by one question, each with its own id and spelling.", "RFC 5452 §5", f"{NAMES}test_a_41_and_a_54_two_who_ask_the_same_are_one_question_and_no_more", f"{RESOLVE}test_one_exchange_for_all_who_ask_the_same"),
        _of(55, "Without RD only what is kept is given, else REFUSED.", "RFC 1034 §4.3.1", f"{RESOLVE}test_without_recursion_desired_only_what_is_kept"),
        _of(56, "Types of DNSSEC are forwarded; signatures pass to those who set DO.", "RFC 4035 §3.2.1", f"{NAMES}test_a_56_types_of_dnssec_are_forwarded_like_others", f"{REPLY}test_with_do_signatures_and_proofs_go_along", f"{REPLY}test_signatures_can_be_asked_for"),
        _of(57, "What does not fit the client is cut with TC, and whole over TCP.", "RFC 6891 §6.2.5", f"{RESOLVE}test_what_does_not_fit_is_cut_and_whole_over_tcp", f"{MESSAGES}test_a_65_and_a_66_what_does_not_fit_is_cut_and_whole_over_tcp"),
    ),
    "EDNS": (
        _of(60, "An OPT record answers an OPT record, whatever the rcode, and none comes unasked.", "RFC 6891 §6.1.1, §7", f"{MESSAGES}test_a_60_an_opt_record_answers_an_opt_record", LISTS),
        _of(61, "Two OPT records, one that is not at the root or not in its section, one that runs over: FORMERR.", "RFC 6891 §6.1.1", *ODD),
        _of(62, "Another version: BADVERS, version 0, no records; DO and the options are honoured.", "RFC 6891 §6.1.3", f"{MESSAGES}test_a_62_of_another_edns_version_the_options_are_honoured", LISTS),
        _of(63, "Unknown options and flags are passed over and not echoed.", "RFC 6891 §6.1.2, §6.1.4", *ODD, LISTS),
        _of(64, "A size below 512 is 512; nothing leaves that could be fragmented.", "RFC 6891 §6.2, RFC 9715 §3", f"{MESSAGES}test_a_65_and_a_66_what_does_not_fit_is_cut_and_whole_over_tcp", "answer/test_order.py::test_off_host_peers_get_no_datagram_that_could_be_fragmented", "supervisor/test_sockets.py::test_options_of_udp_sockets"),
        _of(65, "Without EDNS at most 512 octets leave over UDP.", "RFC 1035 §4.2.1", f"{MESSAGES}test_a_65_and_a_66_what_does_not_fit_is_cut_and_whole_over_tcp"),
        _of(66, "A cut reply has TC, whole records, the question and OPT; reasons go before records do.", "RFC 2181 §9, RFC 8914 §3", f"{MESSAGES}test_a_65_and_a_66_what_does_not_fit_is_cut_and_whole_over_tcp", "answer/test_order.py::test_what_does_not_fit_is_cut_with_tc_and_as_many_answers_as_fit", "wire/test_relay.py::test_a_reason_goes_before_a_record_does"),
        _of(67, "Cookies: 8 or 16 to 40 octets; ours are those of RFC 9018, good for an hour, and may be asked for by themselves.", "RFC 7873 §5, RFC 9018 §4", f"{MESSAGES}test_a_67_a_cookie_by_itself", "wire/test_cookie.py::test_rfc_9018_appendix_a1_learning_a_new_server_cookie", "wire/test_cookie.py::test_a_cookie_is_known_for_an_hour_and_renewed_after_half_of_it", *ODD),
        _of(68, "NSID where it is asked for and configured.", "RFC 5001 §2.1", f"{MESSAGES}test_a_68_nsid_for_those_who_ask_where_it_is_configured", f"{RESOLVE}test_edns_is_hop_by_hop"),
        _of(69, "Reasons (EDE) go to those who sent an OPT record; every code is explained below.", "RFC 8914 §2 to §4", f"{MESSAGES}test_a_69_a_reason_goes_to_those_who_can_read_it", f"{MESSAGES}test_a_69_every_code_that_is_sent_is_in_the_docs"),
        _of(70, "A client subnet is not read, however odd it is.", "RFC 7871 §7.1", f"{MESSAGES}test_a_70_a_client_subnet_is_neither_read_nor_echoed"),
        _of(71, "Keepalive over TCP tells our idle time; over UDP it is passed over.", "RFC 7828 §3.2", f"{MESSAGES}test_a_71_keepalive_is_for_connections"),
        _of(72, "64 kB of options cost no more than others, or are FORMERR.", "RFC 6891 §6.1.2", f"{MESSAGES}test_a_72_many_options_cost_little", "conformance/test_fuzz.py::test_64_kib_of_anything"),
        _of(73, "Of a doubled option the first counts.", "own choice", f"{MESSAGES}test_a_73_of_a_doubled_option_the_first_counts", *ODD),
    ),
    "TCP": (
        _of(80, "Every answer is there over TCP, whole.", "RFC 7766 §5", "answer/test_order.py::test_tcp_has_everything", "whole/test_serve.py::test_many_large_answers_over_tcp_and_udp"),
        _of(81, "Length and message leave in one piece.", "RFC 7766 §8", f"{TCP}test_length_and_reply_leave_in_one_piece"),
        _of(82, "Messages may come octet by octet, and several at once.", "RFC 7766 §8", f"{TCP}test_one_octet_at_a_time", "wire/test_tcp_frame.py::test_messages_survive_any_segmentation"),
        _of(83, "A hundred at once get a hundred answers, and a slow one holds none up.", "RFC 7766 §6.2.1.1, §7", f"{TCP}test_a_hundred_in_one_segment_are_answered_each_once", f"{TCP}test_a_slow_one_does_not_hold_up_the_quick_ones"),
        _of(84, "A client that has closed its side still gets its answers.", "RFC 7766 §6.2.4", f"{TCP}test_half_closed_clients_still_get_their_answers"),
        _of(85, "Idle connections end after seconds, and sooner when places get few.", "RFC 7766 §6.2.3", f"{TCP}test_idle_connections_are_closed_and_busy_ones_are_not", f"{TCP}test_the_idle_time_shrinks_when_places_get_few"),
        _of(86, "Connections are bounded, in all and of one client; so is the time of a message. The longest idle one goes first.", "RFC 7766 §10, RFC 9210 §4", f"{TCP}test_at_the_bound_the_longest_idle_goes_first", f"{TCP}test_a_client_elsewhere_has_its_own_bound", f"{TCP}test_a_dripping_message_has_five_seconds_however_it_drips", f"{TCP}test_the_time_for_a_message_shrinks_with_the_idle_time", "whole/test_tcp_abuse.py::test_two_hundred_drip_two_hundred_are_idle_and_a_hundred_do_not_read"),
        _of(87, "A length that no message has closes the connection and touches nothing else.", "own choice", f"{TCP}test_a_length_that_no_message_has_closes_after_answering_what_came_before"),
        _of(88, "A client that does not read is dropped, and costs a bounded buffer.", "RFC 9210 §4.3", f"{TCP}test_a_client_that_does_not_read_is_dropped_and_others_do_not_feel_it", f"{TCP}test_late_replies_to_a_client_that_does_not_read_stop_at_64_kib", f"{TCP}test_the_kernel_holds_little_for_a_client_that_does_not_read"),
        _of(89, "Connections to upstreams serve many questions, end when idle, and are opened anew unnoticed.", "RFC 7766 §6.2.1", f"{STREAM}test_one_connection_serves_many_questions", f"{STREAM}test_an_idle_connection_is_closed", f"{STREAM}test_a_connection_closed_under_a_question_costs_the_question_nothing"),
    ),
    "Identification and special names": (
        _of(90, "Class CH: four names, where configured; everything else is REFUSED.", "RFC 4892 §2", f"{NAMES}test_a_90_the_class_chaos_has_four_names_and_no_transfers", "answer/test_rows.py::test_chaos_is_what_is_configured"),
        _of(91, "`localhost` is the loopback, and never forwarded.", "RFC 6761 §6.3", *SPECIAL),
        _of(92, "`invalid` does not exist. (`test` is forwarded, as other resolvers do; see docs/special-names.md.)", "RFC 6761 §6.2, §6.4", *SPECIAL, "answer/test_special_use.py::test_what_is_not_special"),
        _of(93, "`onion` and `alt` do not exist, and are never forwarded.", "RFC 7686 §2, RFC 9476 §2", *SPECIAL),
        _of(94, "`local` outside our zones does not exist here; nor does what is link-local.", "RFC 6762 §22.1", *SPECIAL),
        _of(95, "`home.arpa` is empty.", "RFC 8375 §4", *SPECIAL),
        _of(96, "Reverse zones of private addresses are empty but for what a provider has.", "RFC 6303 §3, §4", *SPECIAL, "answer/test_rows.py::test_an_address_that_stands_for_the_service_names_the_service"),
        _of(97, "`resolver.arpa` is not forwarded; `ipv4only.arpa` and `use-application-dns.net` are.", "RFC 9462 §6.4, RFC 8880 §7.1", *SPECIAL, "answer/test_special_use.py::test_what_is_not_special"),
        _of(98, "Zones elsewhere than below `local` work as well, and the docs say why one would.", "RFC 6762 §3", f"{NAMES}test_a_98_every_name_that_is_free_can_be_a_zone", f"{NAMES}test_a_98_the_docs_warn_of_multicast_dns"),
        _of(99, "Every special name wins against an upstream's word, and gives way to configuration.", "RFC 6761 §5", "answer/test_special_use.py::test_every_one_is_answered_here", "answer/test_special_use.py::test_every_one_can_be_given_away", "answer/test_special_use.py::test_the_page_is_the_table", f"{RESOLVE}test_an_alias_to_a_special_name_too"),
    ),
}  # fmt: skip

ERRORS = (
    (
        0,
        "Other",
        (
            "the text says why an answer is empty (no such record, address or port, every instance critical, something left out when it was read, a special name),"
            " what may have been meant by a name that does not exist, or what went wrong (too many questions wait, an alias leads nowhere, a reply is unusable)"
        ),
    ),
    (3, "Stale Answer", "a provider has been out of contact for `stale_after`, or no upstream answers: this is what was known"),
    (13, "Cached Error", "asking has just failed; the code beside it says how"),
    (14, "Not Ready", "a provider that might know the name has not been heard yet"),
    (15, "Blocked", "a private address for a public name, with `forward.rebind_protection`"),
    (18, "Prohibited", "this address may not ask here (`acl`)"),
    (19, "Stale NXDOMAIN Answer", "as 3, and the name did not exist"),
    (20, "Not Authoritative", "not a name of ours, and nobody is asked for it: no upstream, or recursion was not desired"),
    (22, "No Reachable Authority", "no upstream answers"),
    (23, "Network Error", "an upstream failed: refused, malformed, an error of its own"),
)


def page() -> str:
    """docs/statements.md."""
    count = sum(map(len, GROUPS.values()))
    lines = [
        "# Statements, and the tests that prove them",
        "",
        f"{count} statements that the standards make of a server like this one, each with the tests that prove it, over UDP and over TCP where",
        "that makes a difference. Every test runs in CI. This page is made from a table (`python -m tests.conformance.statements`), and a",
        "test looks whether the tests exist. Files are below `tests/`.",
    ]
    for title, statements in GROUPS.items():
        lines += ["", f"## {title}", "", "| | statement | source | tests |", "|---|---|---|---|"]
        for number, text, source, tests in statements:
            lines.append(f"| A-{number:02} | {text} | {source} | {', '.join(f'`{test}`' for test in tests)} |")
    lines += [
        "",
        "## Extended DNS Errors",
        "",
        "Sent to those who sent an OPT record (RFC 8914). Those of an upstream's error pass as well.",
        "",
    ]
    lines += ["| code | name | when |", "|---|---|---|", *(f"| {code} | {title} | {text} |" for code, title, text in ERRORS)]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    PAGE.write_text(page())
