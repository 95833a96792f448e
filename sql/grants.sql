-- SPDX-License-Identifier: Apache-2.0
-- Who may do what, as roles. Run by an administrator of the server after migrate.sh, with the database selected:
--     mariadb DATABASE < sql/grants.sql
-- and once for each user, for example:
--     CREATE USER 'aig'@'localhost' IDENTIFIED BY '...';
--     GRANT aig_app TO 'aig'@'localhost';
--     SET DEFAULT ROLE aig_app FOR 'aig'@'localhost';
--
-- aig_app     the program and the cron programs (they may share a configuration): reads everything, changes money
--             only through ledger_*. These procedures run with the rights of the user that ran migrate.sh, so that
--             user must stay.
-- aig_cron    the cron programs, where they have a user of their own: as aig_app for now
-- aig_admin   the operator in phpMyAdmin or Adminer: reads everything, edits the catalog, the rest through procedures
-- aig_reader  accounting, dashboards: the views and the catalog
--
-- A shared host with a single database user: leave this file out. That user owns the tables and can do all of the
-- above, so nothing but the program's own discipline protects the money rows then (v_ledger_check would show a
-- manual change). migrate.sh and the program need no other right than those on the database.

CREATE ROLE IF NOT EXISTS aig_app, aig_cron, aig_admin, aig_reader;

GRANT SELECT ON * TO aig_app;
GRANT INSERT, UPDATE, DELETE ON upstream_health TO aig_app;
GRANT EXECUTE ON PROCEDURE stored_response_put TO aig_app;
GRANT EXECUTE ON PROCEDURE stored_response_chain TO aig_app;
GRANT EXECUTE ON PROCEDURE stored_response_items TO aig_app;
GRANT EXECUTE ON PROCEDURE stored_response_delete TO aig_app;
GRANT EXECUTE ON PROCEDURE stored_response_purge TO aig_app;
GRANT UPDATE, DELETE ON session TO aig_app;
GRANT EXECUTE ON PROCEDURE session_open TO aig_app;
GRANT INSERT, UPDATE, DELETE ON reasoning_carry TO aig_app;
GRANT EXECUTE ON PROCEDURE signup_start TO aig_app;
GRANT EXECUTE ON PROCEDURE signup_verify TO aig_app;
GRANT EXECUTE ON PROCEDURE reset_start TO aig_app;
GRANT EXECUTE ON PROCEDURE reset_finish TO aig_app;
GRANT EXECUTE ON PROCEDURE login_open TO aig_app;
GRANT EXECUTE ON PROCEDURE throttle_take TO aig_app;
GRANT EXECUTE ON PROCEDURE throttle_give TO aig_app;
GRANT EXECUTE ON PROCEDURE mail_claim TO aig_app;
GRANT EXECUTE ON PROCEDURE mail_done TO aig_app;
GRANT EXECUTE ON PROCEDURE sign_in_purge TO aig_app;
GRANT EXECUTE ON PROCEDURE ledger_authorize TO aig_app;
GRANT EXECUTE ON PROCEDURE ledger_authorize_tools TO aig_app;
GRANT EXECUTE ON PROCEDURE ledger_authorize_many TO aig_app;
GRANT EXECUTE ON PROCEDURE ledger_extend TO aig_app;
GRANT EXECUTE ON PROCEDURE ledger_settle TO aig_app;
GRANT EXECUTE ON PROCEDURE ledger_settle_tools TO aig_app;
GRANT EXECUTE ON PROCEDURE ledger_settle_many TO aig_app;
GRANT EXECUTE ON PROCEDURE ledger_release TO aig_app;
GRANT EXECUTE ON PROCEDURE ledger_renew TO aig_app;
GRANT EXECUTE ON PROCEDURE ledger_expire TO aig_app;
GRANT EXECUTE ON PROCEDURE idempotency_begin TO aig_app;
GRANT EXECUTE ON PROCEDURE idempotency_beat TO aig_app;
GRANT EXECUTE ON PROCEDURE idempotency_end TO aig_app;

GRANT SELECT ON job TO aig_app;
GRANT EXECUTE ON PROCEDURE job_create TO aig_app;
GRANT EXECUTE ON PROCEDURE job_started TO aig_app;
GRANT EXECUTE ON PROCEDURE job_progress TO aig_app;
GRANT EXECUTE ON PROCEDURE job_callback TO aig_app;
GRANT EXECUTE ON PROCEDURE job_claim TO aig_app;
GRANT EXECUTE ON PROCEDURE job_finish TO aig_app;
GRANT EXECUTE ON PROCEDURE job_purge TO aig_app;

-- Harmless: one deletes holds that ended days ago, the other adds empty partitions.
GRANT EXECUTE ON PROCEDURE hold_purge TO aig_app;
GRANT EXECUTE ON PROCEDURE usage_partition_ahead TO aig_app;
GRANT EXECUTE ON PROCEDURE idempotency_purge TO aig_app;

-- What customers do themselves, and the tiers of cron.
GRANT EXECUTE ON PROCEDURE key_create TO aig_app;
GRANT EXECUTE ON PROCEDURE key_change TO aig_app;
GRANT EXECUTE ON PROCEDURE key_rotate TO aig_app;
GRANT EXECUTE ON PROCEDURE key_delete TO aig_app;
GRANT EXECUTE ON PROCEDURE team_create TO aig_app;
GRANT EXECUTE ON PROCEDURE team_change TO aig_app;
GRANT EXECUTE ON PROCEDURE team_invite TO aig_app;
GRANT EXECUTE ON PROCEDURE team_uninvite TO aig_app;
GRANT EXECUTE ON PROCEDURE team_join TO aig_app;
GRANT EXECUTE ON PROCEDURE member_change TO aig_app;
GRANT EXECUTE ON PROCEDURE member_remove TO aig_app;
GRANT EXECUTE ON PROCEDURE team_transfer TO aig_app;
GRANT EXECUTE ON PROCEDURE checkout_open TO aig_app;
GRANT EXECUTE ON PROCEDURE checkout_answered TO aig_app;
GRANT EXECUTE ON PROCEDURE stripe_paid TO aig_app;
GRANT EXECUTE ON PROCEDURE stripe_unpaid TO aig_app;
GRANT EXECUTE ON PROCEDURE stripe_refunded TO aig_app;
GRANT EXECUTE ON PROCEDURE refund_begin TO aig_app;
GRANT EXECUTE ON PROCEDURE refund_end TO aig_app;
GRANT EXECUTE ON PROCEDURE account_statement TO aig_app;
GRANT EXECUTE ON PROCEDURE usage_list TO aig_app;
GRANT EXECUTE ON PROCEDURE recompute_tiers TO aig_app;
-- Webhooks: claimed, finished, sent again; secrets only sealed.
GRANT EXECUTE ON PROCEDURE webhook_claim TO aig_app;
GRANT EXECUTE ON PROCEDURE webhook_claim_one TO aig_app;
GRANT EXECUTE ON PROCEDURE webhook_finish TO aig_app;
GRANT EXECUTE ON PROCEDURE webhook_redeliver TO aig_app;
GRANT EXECUTE ON PROCEDURE webhook_secret_first TO aig_app;
GRANT EXECUTE ON PROCEDURE webhook_secret_rotate TO aig_app;
GRANT EXECUTE ON PROCEDURE webhook_purge TO aig_app;

GRANT aig_app TO aig_cron;

GRANT SELECT ON * TO aig_admin;
-- phpMyAdmin and Adminer read a procedure's parameters from its text.
GRANT SELECT ON mysql.proc TO aig_admin;
GRANT INSERT, UPDATE, DELETE ON model TO aig_admin;
GRANT INSERT, UPDATE, DELETE ON model_alias TO aig_admin;
GRANT INSERT, UPDATE, DELETE ON route TO aig_admin;
GRANT INSERT, UPDATE, DELETE ON tier TO aig_admin;
GRANT INSERT, UPDATE, DELETE ON upstream_health TO aig_admin;
GRANT EXECUTE ON PROCEDURE create_account TO aig_admin;
GRANT EXECUTE ON PROCEDURE disable_account TO aig_admin;
GRANT EXECUTE ON PROCEDURE enable_account TO aig_admin;
GRANT EXECUTE ON PROCEDURE verify_account TO aig_admin;
GRANT EXECUTE ON PROCEDURE reset_sessions TO aig_admin;
GRANT EXECUTE ON PROCEDURE set_tier TO aig_admin;
GRANT EXECUTE ON PROCEDURE set_markup TO aig_admin;
GRANT EXECUTE ON PROCEDURE credit_purchase TO aig_admin;
GRANT EXECUTE ON PROCEDURE grant_credit TO aig_admin;
GRANT EXECUTE ON PROCEDURE refund_purchase TO aig_admin;
GRANT EXECUTE ON PROCEDURE create_key TO aig_admin;
GRANT EXECUTE ON PROCEDURE disable_key TO aig_admin;
GRANT EXECUTE ON PROCEDURE enable_key TO aig_admin;
GRANT EXECUTE ON PROCEDURE create_team TO aig_admin;
GRANT EXECUTE ON PROCEDURE add_member TO aig_admin;
GRANT EXECUTE ON PROCEDURE remove_member TO aig_admin;
GRANT EXECUTE ON PROCEDURE create_team_key TO aig_admin;
GRANT EXECUTE ON PROCEDURE transfer_team TO aig_admin;
GRANT EXECUTE ON PROCEDURE set_key_models TO aig_admin;
GRANT EXECUTE ON PROCEDURE recompute_tiers TO aig_admin;
GRANT EXECUTE ON PROCEDURE statement TO aig_admin;
GRANT EXECUTE ON PROCEDURE set_cap TO aig_admin;
GRANT EXECUTE ON PROCEDURE set_price TO aig_admin;
GRANT EXECUTE ON PROCEDURE set_tool_price TO aig_admin;
GRANT EXECUTE ON PROCEDURE set_unit_price TO aig_admin;
GRANT EXECUTE ON PROCEDURE hold_purge TO aig_admin;
GRANT EXECUTE ON PROCEDURE usage_partition_ahead TO aig_admin;
GRANT EXECUTE ON PROCEDURE usage_drop_before TO aig_admin;
GRANT EXECUTE ON PROCEDURE redeliver_webhook TO aig_admin;
GRANT EXECUTE ON PROCEDURE redeliver_dead_webhooks TO aig_admin;
GRANT EXECUTE ON PROCEDURE drop_dead_webhooks TO aig_admin;
GRANT EXECUTE ON PROCEDURE idempotency_purge TO aig_admin;

GRANT SELECT ON v_account TO aig_reader;
GRANT SELECT ON v_key TO aig_reader;
GRANT SELECT ON v_team TO aig_reader;
GRANT SELECT ON v_usage_daily TO aig_reader;
GRANT SELECT ON v_margin_daily TO aig_reader;
GRANT SELECT ON v_hold_open TO aig_reader;
GRANT SELECT ON v_ledger_check TO aig_reader;
GRANT SELECT ON v_invitation TO aig_reader;
GRANT SELECT ON v_tier_change TO aig_reader;
GRANT SELECT ON v_purchase TO aig_reader;
GRANT SELECT ON v_checkout TO aig_reader;
GRANT SELECT ON v_job TO aig_reader;
GRANT SELECT ON v_webhook_backlog TO aig_reader;
GRANT SELECT ON tier TO aig_reader;
GRANT SELECT ON model TO aig_reader;
GRANT SELECT ON model_alias TO aig_reader;
GRANT SELECT ON price TO aig_reader;
GRANT SELECT ON route TO aig_reader;
