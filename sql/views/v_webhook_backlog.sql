-- SPDX-License-Identifier: Apache-2.0

-- Webhooks that have not arrived, by customer and host. overdue_s: how long the oldest one has been due; more than a
-- minute or two means that drain-webhooks does not run or that this host is slow. dead: given up, see redeliver_webhook
-- and redeliver_dead_webhooks.
CREATE OR REPLACE SQL SECURITY DEFINER VIEW v_webhook_backlog AS
SELECT a.email, b.host, SUM(b.pending) AS pending, SUM(b.due_now) AS due_now, SUM(b.under_way) AS under_way,
    SUM(b.dead) AS dead, MAX(b.overdue_s) AS overdue_s, MIN(b.created_at) AS oldest_at, MAX(b.step) AS failed_attempts,
    MAX(b.last_status) AS last_status, MAX(b.last_error) AS an_error
FROM (SELECT account_id, SUBSTRING_INDEX(SUBSTRING_INDEX(SUBSTRING_INDEX(url, '/', 3), '/', -1), '@', -1) AS host,
        state = 'pending' AS pending, state = 'dead' AS dead, created_at, step, last_status, last_error,
        state = 'pending' AND due <= UTC_TIMESTAMP(6) AS due_now,
        state = 'pending' AND claim IS NOT NULL AND due > UTC_TIMESTAMP(6) AS under_way,
        IF(state = 'pending', GREATEST(0, TIMESTAMPDIFF(SECOND, due, UTC_TIMESTAMP())), 0) AS overdue_s
    FROM webhook_delivery WHERE state IN ('pending', 'dead')) b
    JOIN account a ON a.id = b.account_id
GROUP BY a.email, b.host
ORDER BY overdue_s DESC, dead DESC;
