-- SPDX-License-Identifier: Apache-2.0

-- Accounts with credit, cap and tier. spent_30_days_usd: this hour and the 719 before it, as for the tiers.
-- available_usd is what a new call may use of the balance.
CREATE OR REPLACE SQL SECURITY DEFINER VIEW v_account AS
SELECT a.id AS account_id, a.email, a.name, a.enabled, t.name AS tier,
    COALESCE(a.markup_override, t.markup) AS markup,
    a.balance_usd, a.held_usd, a.balance_usd - a.held_usd AS available_usd,
    a.cap_usd, a.cap_period,
    IF(UTC_DATE() < a.window_end, a.spent_usd, 0) AS spent_usd,
    (SELECT COALESCE(SUM(s.charge_usd), 0) FROM spend_hourly s
        WHERE s.account_id = a.id AND s.hour >= UTC_DATE() + INTERVAL HOUR(UTC_TIME()) - 719 HOUR) AS spent_30_days_usd,
    (SELECT COUNT(*) FROM api_key k WHERE k.account_id = a.id AND k.enabled) AS enabled_keys,
    a.created_at
FROM account a JOIN tier t ON t.id = a.tier_id;
