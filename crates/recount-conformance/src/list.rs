//! The lists of cases: what is not in them does not compile, and what is becomes a test.

/// Hands the cases for logs to a macro.
#[doc(hidden)]
#[macro_export]
macro_rules! __log_cases {
    ([$($then:tt)+] $($arguments:tt)+) => {
        $($then)+! {
            $($arguments)+;
            append {
                an_empty_batch_succeeds_and_does_nothing
                every_field_comes_back
                a_receipt_follows_the_batch
                an_acknowledgement_says_how_durable
                data_keeps_its_text
                every_type_comes_back
                identifiers_of_any_script_and_full_length
                appends_survive_reopening_many_times
                a_dropped_append_happened_or_did_not
            }
            limits {
                the_first_bad_event_refuses_the_batch
                a_version_of_zero_is_refused
                an_event_may_be_as_large_as_the_limit
                a_batch_may_have_as_many_events_as_the_limit
                a_batch_may_have_as_many_bytes_as_the_limit
                duplicates_count_towards_the_limits
                the_largest_event_and_the_longest_batch
                the_heaviest_batch
            }
            identifiers {
                ids_follow_the_clock
                a_clock_that_steps_back_does_not_show
                ids_go_on_after_reopening_with_an_earlier_clock
                ids_go_on_after_everything_was_trimmed
                no_entry_has_the_id_zero
                a_full_millisecond_spills_into_the_next
                an_id_far_in_the_future_is_gone_on_from
                after_the_greatest_id_nothing_is_appended
            }
            idempotency {
                the_same_event_again_is_a_duplicate
                another_event_under_the_same_id_is_a_conflict
                the_events_beside_a_conflict_are_appended
                events_of_one_batch_are_compared_too
                key_order_and_white_space_do_not_matter
                a_timestamp_that_was_filled_in_does_not_count
                a_strict_batch_with_a_conflict_is_refused_whole
                a_strict_batch_must_not_conflict_with_itself
                a_strict_batch_is_compared_with_what_was_trimmed
            }
            window {
                an_id_is_remembered_to_the_window_s_last_millisecond
                the_window_survives_a_restart
                a_clock_that_steps_back_does_not_stretch_the_window
                trimming_does_not_shorten_the_window
                trimmed_contents_are_compared_as_bytes
                a_retry_after_a_trim_may_have_another_filled_in_time
                copies_enter_the_window
                the_last_id_counts_as_now_when_it_is_ahead_of_the_clock
            }
            revisions {
                each_session_counts_for_itself
                duplicates_take_no_revision
                trims_do_not_move_revisions
                copies_are_numbered_like_other_entries
                a_copy_keeps_the_revision_that_it_brings
                a_copy_s_revision_never_goes_back
                a_revision_of_what_has_no_session_is_ignored
            }
            expectation {
                a_new_session_is_at_zero
                the_expected_revision_appends_and_any_other_refuses
                duplicates_are_resolved_first
                a_conflict_is_no_duplicate
                the_batch_must_be_of_one_session
                the_revision_outlives_trims_and_restarts
                copies_count
            }
            copies {
                entries_keep_their_ids
                nothing_given_does_nothing
                ids_must_increase_within_the_call
                ids_must_lie_above_what_is_there
                what_is_no_event_keeps_every_byte
                the_flat_layout_is_decoded
                an_entry_without_id_and_time_takes_its_own
                known_event_ids_are_copied_all_the_same
                appends_go_on_above_copies
                what_was_read_can_be_copied_elsewhere
            }
            read {
                an_empty_log_holds_nothing
                every_kind_of_bound
                a_whole_millisecond_as_redis_writes_it
                paging_visits_everything_once
                a_page_that_holds_the_rest_ends
                pages_meet_what_came_in_between
                a_page_goes_on_after_a_trim
                a_limit_of_zero_holds_nothing
                an_unknown_partition_holds_nothing
                a_page_has_a_greatest_length
                a_page_ends_early_when_it_is_heavy
                a_range_begins_at_the_first_retained_entry
                an_acknowledged_append_is_read_at_once
            }
            query {
                every_filter_finds_what_a_scan_finds
                sessions_and_users_match_exactly
                queries_page_in_both_directions
                queries_keep_to_their_range
                what_is_no_event_passes_only_the_empty_filter
                queries_follow_trims_and_appends
                a_query_of_nothing_is_empty
            }
            session {
                the_newest_entries_in_order
                a_session_that_does_not_exist_is_complete
                it_tells_from_where_a_trimmed_session_is_kept
                a_session_that_was_trimmed_whole_keeps_its_revision
                a_copy_that_skips_revisions_is_not_complete
                a_heavy_session_ends_early
                a_follower_reads_the_same
            }
            wait {
                it_returns_at_once_if_there_is_something
                an_append_ends_the_wait
                a_copy_ends_the_wait
                what_is_visible_when_the_wait_ends_can_be_read
                refused_and_repeated_events_do_not_end_it
                trimmed_entries_do_not_count
                a_cursor_ahead_of_the_tail_waits_for_what_lies_after_it
                a_cursor_may_name_partitions_there_are_none_of
                one_append_ends_every_wait
                a_wait_that_is_dropped_harms_nobody
                closing_ends_every_wait
            }
            trim {
                exact_limits_remove_exactly
                an_approximate_trim_removes_at_most_as_much
                a_dry_run_removes_nothing
                an_empty_log_has_nothing_to_remove
                trims_go_on_from_one_another
                what_was_trimmed_is_gone_and_stays_gone
                a_log_trimmed_to_nothing_goes_on
            }
            info {
                an_empty_log
                counts_follow_what_was_appended
                the_window_and_the_names_are_told
                the_tail_is_after_the_last_entry
                trimming_does_not_move_the_tail_back
                a_log_stays_one_history
                another_log_is_another_history
            }
            close {
                later_calls_fail
                closing_again_does_nothing
                what_is_under_way_is_finished_or_refused
            }
            follow {
                it_sees_every_acknowledged_append
                its_wait_ends_with_an_append
                it_sees_trims
                it_writes_properly_or_not_at_all
                it_tells_what_a_trim_would_remove
                it_closes_by_itself
                it_goes_on_under_the_next_writer
            }
            concurrency {
                nothing_is_lost_and_each_producer_keeps_its_order
                of_equal_events_one_is_appended
                of_equal_expectations_one_is_met
                readers_see_a_prefix_of_whole_batches
                trims_and_appends_get_along
            }
        }
    };
}

/// Hands the cases for groups to a macro.
#[doc(hidden)]
#[macro_export]
macro_rules! __group_cases {
    ([$($then:tt)+] $($arguments:tt)+) => {
        $($then)+! {
            $($arguments)+;
            manage {
                a_group_begins_where_it_is_told
                the_end_of_a_trimmed_log_is_its_last_id
                a_name_is_taken_once
                names_have_1_to_128_bytes
                every_call_names_a_group_there_is
                destroying_says_whether_there_was_one
                the_position_moves_both_ways
                the_list_is_by_name_and_counts
                the_list_tells_the_oldest_pending
                the_list_tells_when_a_consumer_called_last
                groups_survive_a_restart
            }
            deliver {
                each_entry_goes_to_one_consumer_in_order
                a_delivery_holds_the_entry
                groups_do_not_share_what_they_read
                nobody_gets_what_another_got
                a_restarted_consumer_gets_its_own_again
                delivering_again_resets_the_idle_time
                a_count_of_zero_delivers_nothing
            }
            acknowledge {
                what_is_acknowledged_is_no_longer_pending
                acknowledging_again_does_no_harm
                what_is_given_back_has_no_owner
                what_is_given_back_may_be_claimed_once_its_delay_passed
            }
            touch {
                it_resets_the_idle_time_and_counts_nothing
                what_is_touched_is_not_claimed
                only_the_owner_s_own_are_touched
            }
            requeue {
                what_was_finished_is_handled_again
                everything_else_is_passed_over
                what_the_cursor_was_moved_before_is_new
                it_survives_a_restart_and_is_kept
            }
            claim {
                idle_entries_change_hands
                only_what_is_pending_can_be_claimed
                a_consumer_may_claim_its_own
                automatic_claims_visit_everything_idle_once
                automatic_claims_look_from_a_position_on
            }
            pending {
                nothing_pending
                the_summary_counts
                entries_are_told_one_by_one
                idle_times_bear_a_clock_that_steps_back
            }
            consumers {
                they_exist_from_their_first_call_on
                the_list_tells_what_is_pending_and_since_when
                one_with_nothing_pending_just_goes
                one_with_entries_pending_is_refused
                what_was_pending_is_handed_over
            }
            lease {
                a_partition_has_one_holder
                renewing_keeps_the_token
                a_released_lease_is_free_at_once
                tokens_increase_over_restarts
                the_holder_learns_who_waits
                only_the_holder_reads
                leases_bind_nobody_else
                each_group_has_its_own
            }
            retention {
                what_was_not_delivered_is_kept
                what_was_not_acknowledged_is_kept
                the_neediest_group_decides
                a_trim_that_harms_nobody_reports_nobody
                a_forced_trim_tells_what_was_lost
                a_trim_that_could_force_and_need_not_loses_nothing
                groups_that_nobody_calls_expire
                the_lag_counts_what_is_retained
                a_pending_entry_that_was_trimmed_comes_without_a_body
                groups_of_a_closed_log_fail
            }
            follow {
                it_sees_what_becomes_of_groups
                it_changes_groups_properly_or_not_at_all
            }
        }
    };
}
