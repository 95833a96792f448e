-- SPDX-License-Identifier: Apache-2.0
DELIMITER //

-- The statement of a month: opening balance, charges by day and model, every other entry of the ledger, closing balance.
-- opening + lines = closing, exactly: both balances are computed back from the present one, in one statement and so
-- from one state of the database. Charges come from spend_hourly, which is the sum of the ledger's by hour.
CREATE OR REPLACE PROCEDURE account_statement(
    IN p_account_id INT UNSIGNED,
    IN p_month DATE
)
SQL SECURITY DEFINER
READS SQL DATA
COMMENT 'API: statement of an account for the month of a day'
BEGIN
    DECLARE v_from DATE DEFAULT p_month - INTERVAL DAYOFMONTH(p_month) - 1 DAY;
    DECLARE v_to DATE DEFAULT v_from + INTERVAL 1 MONTH;

    SELECT 0 AS position, v_from + INTERVAL 0 SECOND AS at, 'opening' AS kind, '' AS description, NULL AS model,
        NULL AS calls, NULL AS input_tokens, NULL AS output_tokens,
        a.balance_usd
            + (SELECT COALESCE(SUM(s.charge_usd), 0) FROM spend_hourly s WHERE s.account_id = p_account_id AND s.hour >= v_from)
            - (SELECT COALESCE(SUM(l.amount_usd), 0) FROM ledger l WHERE l.account_id = p_account_id
                AND l.kind IN ('purchase', 'grant', 'refund', 'adjustment') AND l.created_at >= v_from) AS amount_usd
    FROM account a WHERE a.id = p_account_id
    UNION ALL
    SELECT 1, DATE(s.hour) + INTERVAL 0 SECOND, 'charge', m.name, m.name, SUM(s.calls), SUM(s.input_tokens),
        SUM(s.output_tokens), -SUM(s.charge_usd)
    FROM spend_hourly s JOIN model m ON m.id = s.model_id
    WHERE s.account_id = p_account_id AND s.hour >= v_from AND s.hour < v_to
    GROUP BY DATE(s.hour), m.name
    UNION ALL
    SELECT 1, l.created_at, l.kind, COALESCE(NULLIF(CONCAT_WS(', ', p.reference, NULLIF(p.note, '')), ''), l.reference),
        NULL, NULL, NULL, NULL, l.amount_usd
    FROM ledger l LEFT JOIN purchase p ON l.kind <> 'adjustment' AND p.id = CAST(SUBSTRING_INDEX(l.reference, '/', 1) AS UNSIGNED)
    WHERE l.account_id = p_account_id AND l.kind IN ('purchase', 'grant', 'refund', 'adjustment')
        AND l.created_at >= v_from AND l.created_at < v_to
    UNION ALL
    SELECT 2, v_to - INTERVAL 1 SECOND, 'closing', '', NULL, NULL, NULL, NULL,
        a.balance_usd
            + (SELECT COALESCE(SUM(s.charge_usd), 0) FROM spend_hourly s WHERE s.account_id = p_account_id AND s.hour >= v_to)
            - (SELECT COALESCE(SUM(l.amount_usd), 0) FROM ledger l WHERE l.account_id = p_account_id
                AND l.kind IN ('purchase', 'grant', 'refund', 'adjustment') AND l.created_at >= v_to)
    FROM account a WHERE a.id = p_account_id
    ORDER BY position, at, kind, description;
END //

CREATE OR REPLACE PROCEDURE statement(
    IN p_email VARCHAR(254) CHARACTER SET utf8mb4,
    IN p_month VARCHAR(32) CHARACTER SET ascii
)
SQL SECURITY DEFINER
READS SQL DATA
COMMENT 'Operator: statement of a month, which adds up from opening to closing. E-mail of the account, month as 2026-11'
BEGIN
    DECLARE v_account_id INT UNSIGNED;

    CALL account_find_inner(p_email, v_account_id);
    IF COALESCE(p_month, '') NOT REGEXP '^20[0-9]{2}-(0[1-9]|1[0-2])$' THEN
        SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = 'The month must be written like 2026-11.';
    END IF;
    CALL account_statement(v_account_id, CONCAT(p_month, '-01'));
END //

DELIMITER ;
