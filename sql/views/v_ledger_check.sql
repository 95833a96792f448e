-- SPDX-License-Identifier: Apache-2.0

-- One row for each broken invariant; none is what it should show. Prepared for
--     SELECT * FROM v_ledger_check WHERE since >= UTC_TIMESTAMP() - INTERVAL 2 DAY
-- which reads only those days of usage_log: since is the time of the row that a check is about, and now for the
-- checks that are about a state.
--
-- check_name       what must hold
-- balance          an account's balance is the sum of its ledger rows
-- held_*           held of a key, member, team, account is the sum of its open holds
-- over_balance     held is not above the balance, neither is negative
-- over_cap_*       spent in window + held is within the cap (or what was committed when a lower cap was set)
-- lots             credit that is left in the lots covers the balance
-- rollup           the hours of spend_hourly are the sum of an account's charges
-- usage_charge     charge and absorbed can be computed from tokens and tools (upstream cost, units), price version and markup,
--                  and the charge is as much of it as the hold allowed
-- usage_unbooked   a charged usage row has its ledger row over the same amount
-- charge_unknown   a charge in the ledger has its usage row (unless its month was dropped)
-- hold_unlogged    a hold that ended has its usage row (unless its month was dropped)
CREATE OR REPLACE SQL SECURITY DEFINER VIEW v_usage_check AS
SELECT u.request_id, u.created_at, u.account_id, u.hold_usd, u.charge_usd, u.absorbed_usd, u.late, u.status,
    LEAST(999999999, ROUND((1 + u.markup) * COALESCE(u.upstream_cost_usd, COALESCE(u.quantity, 0) * p.unit_usd,
        u.web_searches * COALESCE(p.web_search_usd, 0) + u.preview_searches * COALESCE(p.web_search_preview_usd, 0)
        + u.file_searches * COALESCE(p.file_search_usd, 0)
        + u.containers * COALESCE(CASE u.container_gb WHEN 1 THEN p.container_1g_usd WHEN 4 THEN p.container_4g_usd
            WHEN 16 THEN p.container_16g_usd WHEN 64 THEN p.container_64g_usd END, 0) + 0.000001 *
        IF(u.input_tokens + u.cached_tokens + u.cache_write_5m_tokens + u.cache_write_1h_tokens > p.above_tokens,
            u.input_tokens * p.above_input_usd
                + u.cached_tokens * COALESCE(p.above_cached_input_usd, p.above_input_usd)
                + u.cache_write_5m_tokens * COALESCE(p.above_cache_write_5m_usd, p.above_input_usd)
                + u.cache_write_1h_tokens * COALESCE(p.above_cache_write_1h_usd, p.above_input_usd)
                + (u.output_tokens - u.reasoning_tokens) * COALESCE(p.above_output_usd, 0)
                + u.reasoning_tokens * COALESCE(p.above_reasoning_usd, p.above_output_usd, 0),
            u.input_tokens * p.input_usd
                + u.cached_tokens * COALESCE(p.cached_input_usd, p.input_usd)
                + u.cache_write_5m_tokens * COALESCE(p.cache_write_5m_usd, p.input_usd)
                + u.cache_write_1h_tokens * COALESCE(p.cache_write_1h_usd, p.input_usd)
                + (u.output_tokens - u.reasoning_tokens) * COALESCE(p.output_usd, 0)
                + u.reasoning_tokens * COALESCE(p.reasoning_usd, p.output_usd, 0))), 9)) AS full_usd
FROM usage_log u LEFT JOIN price p ON p.id = u.price_id;

CREATE OR REPLACE SQL SECURITY DEFINER VIEW v_ledger_check AS
SELECT 'balance' AS check_name, CONCAT('account ', a.id) AS subject, COALESCE(l.total, 0) AS expected_usd,
    a.balance_usd AS actual_usd, UTC_TIMESTAMP(6) AS since
FROM account a LEFT JOIN (SELECT account_id, SUM(amount_usd) AS total FROM ledger GROUP BY account_id) l
    ON l.account_id = a.id
WHERE a.balance_usd <> COALESCE(l.total, 0)
UNION ALL
SELECT 'balance', CONCAT('account ', l.account_id), SUM(l.amount_usd), NULL, UTC_TIMESTAMP(6)
FROM ledger l LEFT JOIN account a ON a.id = l.account_id
WHERE a.id IS NULL GROUP BY l.account_id
UNION ALL
SELECT 'held_key', CONCAT('key ', k.id), COALESCE(h.total, 0), k.held_usd, UTC_TIMESTAMP(6)
FROM api_key k LEFT JOIN (SELECT key_id, SUM(hold_usd) AS total FROM hold WHERE state = 'open' GROUP BY key_id) h
    ON h.key_id = k.id
WHERE k.held_usd <> COALESCE(h.total, 0)
UNION ALL
SELECT 'held_member', CONCAT('member ', m.id), COALESCE(h.total, 0), m.held_usd, UTC_TIMESTAMP(6)
FROM team_member m
    LEFT JOIN (SELECT member_id, SUM(hold_usd) AS total FROM hold WHERE state = 'open' GROUP BY member_id) h
    ON h.member_id = m.id
WHERE m.held_usd <> COALESCE(h.total, 0)
UNION ALL
SELECT 'held_team', CONCAT('team ', t.id), COALESCE(h.total, 0), t.held_usd, UTC_TIMESTAMP(6)
FROM team t LEFT JOIN (SELECT team_id, SUM(hold_usd) AS total FROM hold WHERE state = 'open' GROUP BY team_id) h
    ON h.team_id = t.id
WHERE t.held_usd <> COALESCE(h.total, 0)
UNION ALL
SELECT 'held_account', CONCAT('account ', a.id), COALESCE(h.total, 0), a.held_usd, UTC_TIMESTAMP(6)
FROM account a
    LEFT JOIN (SELECT account_id, SUM(hold_usd) AS total FROM hold WHERE state = 'open' GROUP BY account_id) h
    ON h.account_id = a.id
WHERE a.held_usd <> COALESCE(h.total, 0)
UNION ALL
SELECT 'over_balance', CONCAT('account ', id), balance_usd, held_usd, UTC_TIMESTAMP(6)
FROM account WHERE held_usd > balance_usd OR held_usd < 0 OR balance_usd < 0
UNION ALL
SELECT CONCAT('over_cap_', s.scope), CONCAT(s.scope, ' ', s.id), GREATEST(s.cap_usd, s.cap_committed_usd),
    s.spent_usd + s.held_usd, UTC_TIMESTAMP(6)
FROM (
    SELECT 'key' AS scope, id, cap_usd, cap_period, cap_committed_usd, window_end, spent_usd, held_usd FROM api_key
    UNION ALL
    SELECT 'member', id, cap_usd, cap_period, cap_committed_usd, window_end, spent_usd, held_usd FROM team_member
    UNION ALL
    SELECT 'team', id, cap_usd, cap_period, cap_committed_usd, window_end, spent_usd, held_usd FROM team
    UNION ALL
    SELECT 'account', id, cap_usd, cap_period, cap_committed_usd, window_end, spent_usd, held_usd FROM account
) s
WHERE s.held_usd + IF(UTC_DATE() < s.window_end, s.spent_usd, 0) > GREATEST(s.cap_usd, s.cap_committed_usd)
UNION ALL
SELECT 'lots', CONCAT('account ', a.id), a.balance_usd, COALESCE(p.total, 0), UTC_TIMESTAMP(6)
FROM account a
    LEFT JOIN (SELECT account_id, SUM(remaining_usd) AS total FROM purchase GROUP BY account_id) p
    ON p.account_id = a.id
WHERE COALESCE(p.total, 0) < a.balance_usd
UNION ALL
SELECT 'rollup', CONCAT('account ', a.id), -COALESCE(l.total, 0), COALESCE(s.total, 0), UTC_TIMESTAMP(6)
FROM account a
    LEFT JOIN (SELECT account_id, SUM(amount_usd) AS total FROM ledger WHERE kind = 'charge' GROUP BY account_id) l
    ON l.account_id = a.id
    LEFT JOIN (SELECT account_id, SUM(charge_usd) AS total FROM spend_hourly GROUP BY account_id) s
    ON s.account_id = a.id
WHERE COALESCE(s.total, 0) <> -COALESCE(l.total, 0)
UNION ALL
SELECT 'usage_charge', u.request_id, LEAST(u.full_usd, u.hold_usd), u.charge_usd, u.created_at
FROM v_usage_check u
WHERE u.full_usd IS NULL OR u.charge_usd + u.absorbed_usd <> u.full_usd OR u.charge_usd > u.hold_usd
    OR u.charge_usd < 0 OR (NOT u.late AND u.charge_usd <> LEAST(u.full_usd, u.hold_usd))
    OR (u.charge_usd > 0 AND u.status NOT IN ('ok', 'client_gone'))
UNION ALL
SELECT 'usage_unbooked', u.request_id, u.charge_usd, -l.amount_usd, u.created_at
FROM usage_log u
    LEFT JOIN ledger l ON l.kind = 'charge' AND l.reference = u.request_id AND l.usage_at = u.created_at
        AND l.account_id = u.account_id
WHERE u.charge_usd <> -COALESCE(l.amount_usd, 0)
UNION ALL
SELECT 'charge_unknown', l.reference, NULL, -l.amount_usd, l.created_at
FROM ledger l LEFT JOIN usage_log u ON u.request_id = l.reference AND u.created_at = l.usage_at
WHERE l.kind = 'charge' AND u.request_id IS NULL
    AND NOT EXISTS (SELECT 1 FROM retention r WHERE r.name = 'usage_log' AND l.usage_at < r.kept_from)
UNION ALL
SELECT 'hold_unlogged', h.id, NULL, h.hold_usd, h.resolved_at
FROM hold h LEFT JOIN usage_log u ON u.request_id = h.id AND u.created_at = h.created_at
WHERE h.state <> 'open' AND u.request_id IS NULL
    AND NOT EXISTS (SELECT 1 FROM retention r WHERE r.name = 'usage_log' AND h.created_at < r.kept_from);
