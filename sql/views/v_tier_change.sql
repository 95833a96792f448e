-- SPDX-License-Identifier: Apache-2.0

-- Which account changed its tier when and why. spent_30_days_usd is empty where an operator did it.
CREATE OR REPLACE SQL SECURITY DEFINER VIEW v_tier_change AS
SELECT c.changed_at, a.email, f.name AS from_tier, t.name AS to_tier, c.spend_usd AS spent_30_days_usd, c.changed_by
FROM tier_change c
    JOIN account a ON a.id = c.account_id
    JOIN tier f ON f.id = c.from_tier_id
    JOIN tier t ON t.id = c.to_tier_id
ORDER BY c.changed_at DESC;
