-- SPDX-License-Identifier: Apache-2.0

-- Money that running calls hold. overdue_s > 0: the process died and release-holds has not come by yet.
CREATE OR REPLACE SQL SECURITY DEFINER VIEW v_hold_open AS
SELECT h.id AS request_id, a.email, CONCAT(k.key_prefix, '...', k.key_last4) AS api_key, md.name AS model,
    h.hold_usd, h.output_limit AS output_limit_tokens, h.created_at, h.expires_at,
    GREATEST(0, TIMESTAMPDIFF(SECOND, h.expires_at, UTC_TIMESTAMP())) AS overdue_s
FROM hold h
    JOIN account a ON a.id = h.account_id
    JOIN api_key k ON k.id = h.key_id
    LEFT JOIN model md ON md.id = h.model_id
WHERE h.state = 'open';
