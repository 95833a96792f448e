-- SPDX-License-Identifier: Apache-2.0
DELIMITER //

-- Locks the rows of a call's scopes in the one order that all of the ledger keeps (key, member, team,
-- account last) and says what is left: room_usd is the smallest of cap - spent - held over the scopes that
-- have a cap and of balance - held; the other figures describe the scope that it comes from. The first of
-- several equal ones counts, in the order key, member, team, account, balance.
-- Neither opens nor ends a transaction.
CREATE OR REPLACE PROCEDURE ledger_room_inner(
    IN p_key_id INT UNSIGNED,
    IN p_member_id INT UNSIGNED,
    IN p_team_id INT UNSIGNED,
    IN p_account_id INT UNSIGNED,
    IN p_day DATE,
    OUT o_room_usd DECIMAL(18,9),
    OUT o_scope VARCHAR(8) CHARACTER SET ascii COLLATE ascii_bin,
    OUT o_limit_usd DECIMAL(18,9),
    OUT o_spent_usd DECIMAL(18,9),
    OUT o_held_usd DECIMAL(18,9),
    OUT o_period VARCHAR(8) CHARACTER SET ascii COLLATE ascii_bin
)
SQL SECURITY DEFINER
MODIFIES SQL DATA
COMMENT 'Ledger, internal: locks the scopes of a call and computes what is left'
BEGIN
    DECLARE v_cap, v_spent, v_held, v_balance DECIMAL(18,9);
    DECLARE v_period VARCHAR(8) CHARACTER SET ascii COLLATE ascii_bin;

    SET o_room_usd = 999999999, o_scope = NULL;

    SELECT cap_usd, IF(p_day < window_end, spent_usd, 0), held_usd, cap_period
    INTO v_cap, v_spent, v_held, v_period
    FROM api_key WHERE id = p_key_id FOR UPDATE;
    IF v_cap - v_spent - v_held < o_room_usd THEN
        SET o_room_usd = v_cap - v_spent - v_held, o_scope = 'key',
            o_limit_usd = v_cap, o_spent_usd = v_spent, o_held_usd = v_held, o_period = v_period;
    END IF;

    IF p_member_id IS NOT NULL THEN
        SELECT cap_usd, IF(p_day < window_end, spent_usd, 0), held_usd, cap_period
        INTO v_cap, v_spent, v_held, v_period
        FROM team_member WHERE id = p_member_id FOR UPDATE;
        IF v_cap - v_spent - v_held < o_room_usd THEN
            SET o_room_usd = v_cap - v_spent - v_held, o_scope = 'member',
                o_limit_usd = v_cap, o_spent_usd = v_spent, o_held_usd = v_held, o_period = v_period;
        END IF;

        SELECT cap_usd, IF(p_day < window_end, spent_usd, 0), held_usd, cap_period
        INTO v_cap, v_spent, v_held, v_period
        FROM team WHERE id = p_team_id FOR UPDATE;
        IF v_cap - v_spent - v_held < o_room_usd THEN
            SET o_room_usd = v_cap - v_spent - v_held, o_scope = 'team',
                o_limit_usd = v_cap, o_spent_usd = v_spent, o_held_usd = v_held, o_period = v_period;
        END IF;
    END IF;

    SELECT cap_usd, IF(p_day < window_end, spent_usd, 0), held_usd, cap_period, balance_usd
    INTO v_cap, v_spent, v_held, v_period, v_balance
    FROM account WHERE id = p_account_id FOR UPDATE;
    IF v_cap - v_spent - v_held < o_room_usd THEN
        SET o_room_usd = v_cap - v_spent - v_held, o_scope = 'account',
            o_limit_usd = v_cap, o_spent_usd = v_spent, o_held_usd = v_held, o_period = v_period;
    END IF;
    IF v_balance - v_held < o_room_usd THEN
        SET o_room_usd = v_balance - v_held, o_scope = 'balance',
            o_limit_usd = v_balance, o_spent_usd = 0, o_held_usd = v_held, o_period = 'none';
    END IF;
END //

DELIMITER ;
