-- SPDX-License-Identifier: Apache-2.0

-- Media jobs, newest first. overdue_s > 0: poll-jobs should have looked at it by now. below_cost: the provider named a
-- cost that is higher than what the price list says.
CREATE OR REPLACE SQL SECURITY DEFINER VIEW v_job AS
SELECT j.id AS task_id, j.request_id, a.email, CONCAT(k.key_prefix, '...', k.key_last4) AS api_key, md.name AS model,
    j.provider, j.upstream_id, j.state, j.quantity, p.unit, j.charge_usd, j.upstream_cost_usd, u.cost_usd,
    COALESCE(j.upstream_cost_usd > u.cost_usd, 0) AS below_cost, j.fail_code, j.fail_msg, j.created_at, j.completed_at,
    GREATEST(0, COALESCE(TIMESTAMPDIFF(SECOND, j.due, UTC_TIMESTAMP()), 0)) AS overdue_s,
    j.param
FROM job j
    JOIN account a ON a.id = j.account_id
    JOIN api_key k ON k.id = j.key_id
    LEFT JOIN model md ON md.id = j.model_id
    LEFT JOIN usage_log u ON u.request_id = j.request_id AND u.status = 'ok'
    LEFT JOIN hold h ON h.id = j.request_id
    LEFT JOIN price p ON p.id = COALESCE(u.price_id, h.price_id)
ORDER BY j.id DESC;
