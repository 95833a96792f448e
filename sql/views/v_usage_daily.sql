-- SPDX-License-Identifier: Apache-2.0

-- Charged calls by day (UTC, day of the charge), account and model.
CREATE OR REPLACE SQL SECURITY DEFINER VIEW v_usage_daily AS
SELECT DATE(s.hour) AS day, a.email, md.name AS model, s.provider, SUM(s.calls) AS calls,
    SUM(s.input_tokens) AS input_tokens, SUM(s.output_tokens) AS output_tokens, SUM(s.charge_usd) AS charge_usd
FROM spend_hourly s
    JOIN account a ON a.id = s.account_id
    JOIN model md ON md.id = s.model_id
GROUP BY DATE(s.hour), a.email, md.name, s.provider
ORDER BY day DESC, charge_usd DESC;

-- What the charged calls of a day brought and cost us, by provider and model. absorbed_usd: beyond their holds.
CREATE OR REPLACE SQL SECURITY DEFINER VIEW v_margin_daily AS
SELECT DATE(s.hour) AS day, s.provider, md.name AS model, SUM(s.calls) AS calls,
    SUM(s.charge_usd) AS charge_usd, SUM(s.cost_usd) AS cost_usd,
    SUM(s.charge_usd) - SUM(s.cost_usd) AS margin_usd, SUM(s.absorbed_usd) AS absorbed_usd
FROM spend_hourly s
    JOIN model md ON md.id = s.model_id
GROUP BY DATE(s.hour), s.provider, md.name
ORDER BY day DESC, charge_usd DESC;
