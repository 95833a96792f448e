-- SPDX-License-Identifier: Apache-2.0
DELIMITER //

CREATE OR REPLACE PROCEDURE account_find_inner(
    IN p_email VARCHAR(254) CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_ci,
    OUT o_account_id INT UNSIGNED
)
SQL SECURITY DEFINER
READS SQL DATA
COMMENT 'Internal: number of the account with an e-mail address, or an error'
BEGIN
    DECLARE v_message VARCHAR(400) CHARACTER SET utf8mb4;

    SELECT id INTO o_account_id FROM account WHERE email = TRIM(p_email);
    IF o_account_id IS NULL THEN
        SET v_message = CONCAT('There is no account with the e-mail address ', COALESCE(p_email, 'NULL'), '.');
        SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = v_message;
    END IF;
END //

CREATE OR REPLACE PROCEDURE create_account(
    IN p_email VARCHAR(254) CHARACTER SET utf8mb4,
    IN p_name VARCHAR(120) CHARACTER SET utf8mb4
)
SQL SECURITY DEFINER
MODIFIES SQL DATA
COMMENT 'Operator: opens an account in the lowest tier. E-mail address, name'
BEGIN
    DECLARE v_email VARCHAR(254) CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_ci DEFAULT TRIM(p_email);
    DECLARE v_known BOOLEAN;
    DECLARE v_message VARCHAR(400) CHARACTER SET utf8mb4;

    SELECT EXISTS (SELECT 1 FROM account WHERE email = v_email) INTO v_known;
    IF v_email IS NULL OR v_email NOT REGEXP '^[^@[:space:]]+@[^@[:space:]]+$' THEN
        SET v_message = CONCAT('This is not an e-mail address: ', COALESCE(p_email, 'NULL'), '.');
        SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = v_message;
    ELSEIF v_known THEN
        SET v_message = CONCAT('There is an account with the e-mail address ', v_email, ' already.');
        SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = v_message;
    END IF;
    INSERT INTO account (email, name, tier_id)
    SELECT v_email, COALESCE(p_name, ''), id FROM tier ORDER BY min_spend_usd LIMIT 1;
    SELECT id AS account_id, email, name FROM account WHERE id = LAST_INSERT_ID();
END //

CREATE OR REPLACE PROCEDURE disable_account(
    IN p_email VARCHAR(254) CHARACTER SET utf8mb4
)
SQL SECURITY DEFINER
MODIFIES SQL DATA
COMMENT 'Operator: refuses new calls of an account. E-mail address'
BEGIN
    DECLARE v_account_id INT UNSIGNED;

    CALL account_find_inner(p_email, v_account_id);
    UPDATE account SET enabled = 0 WHERE id = v_account_id;
    SELECT id AS account_id, email, enabled FROM account WHERE id = v_account_id;
END //

CREATE OR REPLACE PROCEDURE enable_account(
    IN p_email VARCHAR(254) CHARACTER SET utf8mb4
)
SQL SECURITY DEFINER
MODIFIES SQL DATA
COMMENT 'Operator: lets a disabled account call again. E-mail address'
BEGIN
    DECLARE v_account_id INT UNSIGNED;

    CALL account_find_inner(p_email, v_account_id);
    UPDATE account SET enabled = 1 WHERE id = v_account_id;
    SELECT id AS account_id, email, enabled FROM account WHERE id = v_account_id;
END //

-- The tier stays until the tiers are computed anew from the spend of 30 days; set_markup is permanent.
CREATE OR REPLACE PROCEDURE set_tier(
    IN p_email VARCHAR(254) CHARACTER SET utf8mb4,
    IN p_tier VARCHAR(32) CHARACTER SET utf8mb4
)
SQL SECURITY DEFINER
MODIFIES SQL DATA
COMMENT 'Operator: puts an account into a tier. E-mail address, name of the tier'
BEGIN
    DECLARE v_account_id INT UNSIGNED;
    DECLARE v_tier_id SMALLINT UNSIGNED;
    DECLARE v_message VARCHAR(400) CHARACTER SET utf8mb4;
    DECLARE EXIT HANDLER FOR SQLEXCEPTION
    BEGIN
        ROLLBACK;
        RESIGNAL;
    END;

    CALL account_find_inner(p_email, v_account_id);
    SELECT id INTO v_tier_id FROM tier WHERE name = p_tier COLLATE utf8mb4_unicode_ci;
    IF v_tier_id IS NULL THEN
        SELECT CONCAT('There is no tier ', COALESCE(p_tier, 'NULL'), '; there are ',
            GROUP_CONCAT(name ORDER BY min_spend_usd SEPARATOR ', '), '.') INTO v_message FROM tier;
        SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = v_message;
    END IF;
    SET TRANSACTION ISOLATION LEVEL READ COMMITTED;
    START TRANSACTION;
    INSERT INTO tier_change (account_id, from_tier_id, to_tier_id, changed_by, changed_at)
    SELECT id, tier_id, v_tier_id, 'operator', UTC_TIMESTAMP(6) FROM account
    WHERE id = v_account_id AND tier_id <> v_tier_id FOR UPDATE;
    UPDATE account SET tier_id = v_tier_id WHERE id = v_account_id;
    COMMIT;
    SELECT a.id AS account_id, a.email, t.name AS tier, COALESCE(a.markup_override, t.markup) AS markup
    FROM account a JOIN tier t ON t.id = a.tier_id WHERE a.id = v_account_id;
END //

CREATE OR REPLACE PROCEDURE set_markup(
    IN p_email VARCHAR(254) CHARACTER SET utf8mb4,
    IN p_markup DECIMAL(6,4)
)
SQL SECURITY DEFINER
MODIFIES SQL DATA
COMMENT 'Operator: own markup of an account as a fraction (0.2500 is 25 %); NULL: that of its tier'
BEGIN
    DECLARE v_account_id INT UNSIGNED;

    CALL account_find_inner(p_email, v_account_id);
    IF p_markup < 0 OR p_markup > 10 THEN
        SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT =
            'The markup must be a fraction from 0 to 10: 0.25 is 25 %, 10 is 1000 %. NULL takes that of the tier.';
    END IF;
    UPDATE account SET markup_override = p_markup WHERE id = v_account_id;
    SELECT a.id AS account_id, a.email, t.name AS tier, COALESCE(a.markup_override, t.markup) AS markup
    FROM account a JOIN tier t ON t.id = a.tier_id WHERE a.id = v_account_id;
END //

DELIMITER ;
