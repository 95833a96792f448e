-- SPDX-License-Identifier: Apache-2.0

-- Keys with owner, team, cap and the models that they may call (empty: every one). left_usd is what the key's own cap
-- still allows; empty: no cap.
CREATE OR REPLACE SQL SECURITY DEFINER VIEW v_key AS
SELECT k.key_id, k.name, k.api_key, k.email, k.team, k.member_id, k.enabled, k.expires_at,
    k.cap_usd, k.cap_period, k.spent_usd, k.held_usd, k.cap_usd - k.spent_usd - k.held_usd AS left_usd,
    CASE k.cap_period WHEN 'daily' THEN UTC_DATE() + INTERVAL 1 DAY
        WHEN 'weekly' THEN UTC_DATE() + INTERVAL 7 - WEEKDAY(UTC_DATE()) DAY
        WHEN 'monthly' THEN UTC_DATE() - INTERVAL DAYOFMONTH(UTC_DATE()) - 1 DAY + INTERVAL 1 MONTH
        END AS resets_on,
    k.models, k.last_used_at, k.created_at, k.deleted_at
FROM (
    SELECT k.id AS key_id, k.name, CONCAT(k.key_prefix, '...', k.key_last4) AS api_key, a.email, t.name AS team,
        k.member_id, k.enabled, k.expires_at, k.cap_usd, k.cap_period, k.held_usd, k.last_used_at, k.created_at,
        k.deleted_at,
        IF(k.models_limited, (SELECT GROUP_CONCAT(md.name ORDER BY md.name SEPARATOR ', ')
            FROM api_key_model x JOIN model md ON md.id = x.model_id WHERE x.key_id = k.id), NULL) AS models,
        IF(UTC_DATE() < k.window_end, k.spent_usd, 0) AS spent_usd
    FROM api_key k
        JOIN account a ON a.id = k.account_id
        LEFT JOIN team_member m ON m.id = k.member_id
        LEFT JOIN team t ON t.id = m.team_id
) k;
