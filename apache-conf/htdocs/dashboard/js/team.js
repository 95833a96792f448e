// SPDX-License-Identifier: Apache-2.0
// Teams: members with roles and caps, invitations, leaving, handing over.
import { get, part, patch, post, remove } from "./api.js";
import { append, badge, button, confirmDialog, dialog, emptyState, field, form, h, menuButton, panel, say, select, table } from "./dom.js";
import { capFields, capOf, capValues, changed } from "./keys.js";
import { capView, day } from "./format.js";

const ROLES = [
    ["member", "Member"],
    ["admin", "Admin"],
];
const HINT = "Admins invite people and set caps. Only the owner hands the team over.";

function createTeam(page) {
    dialog("New team", (close) =>
        form(
            {
                action: "Create team",
                cancel: close,
                submit: async (v) => {
                    const team = await post("teams", { name: v.name });
                    close();
                    page.app.go(`#/team?id=${encodeURIComponent(team.id)}`);
                },
            },
            field("Name", h("input", { name: "name", required: true, maxlength: 100, autocomplete: "off" }), {
                hint: "You pay for the calls of its keys until you hand it over.",
            }),
        ),
    );
}

function invite(team, reload) {
    dialog("Invite somebody", (close) =>
        form(
            {
                action: "Send invitation",
                cancel: close,
                submit: async (v) => {
                    await post(`teams/${part(team.id)}/invitations`, { email: v.email, role: v.role });
                    close();
                    say(`The invitation to ${v.email} is on its way.`);
                    reload(true);
                },
            },
            field("E-mail", h("input", { type: "email", name: "email", required: true, maxlength: 254, autocomplete: "off" })),
            field("Role", select("role", ROLES, "member"), { hint: HINT }),
        ),
    );
}

function editTeam(team, reload) {
    dialog("Team settings", (close) =>
        form(
            {
                action: "Save",
                cancel: close,
                submit: async (v) => {
                    await patch(`teams/${part(team.id)}`, changed({ name: team.name, ...capOf(team) }, { name: v.name, ...capValues(v) }));
                    close();
                    say("Saved");
                    reload(true);
                },
            },
            field("Name", h("input", { name: "name", required: true, maxlength: 100, value: team.name, autocomplete: "off" })),
            capFields(team),
            h("p", { class: "hint" }, "The cap holds for all members and keys together."),
        ),
    );
}

function editMember(team, member, mayRole, reload) {
    dialog(member.name || member.email, (close) =>
        form(
            {
                action: "Save",
                cancel: close,
                submit: async (v) => {
                    await patch(`teams/${part(team.id)}/members/${part(member.id)}`, {
                        role: mayRole && v.role !== member.role ? v.role : undefined,
                        ...capValues(v),
                    });
                    close();
                    say("Saved");
                    reload(true);
                },
            },
            mayRole && field("Role", select("role", ROLES, member.role), { hint: HINT }),
            capFields(member),
            h("p", { class: "hint" }, "The cap holds for all keys of this member in the team."),
        ),
    );
}

// The owner offers; the same call of the member accepts; the owner's own number takes the offer back.
const transfer = (team, member) => post(`teams/${part(team.id)}/transfer`, { member_id: Number(member) });

function offer(page, team, reload) {
    const to = team.members?.find((m) => m.id === team.transfer_offered_to);
    if (!to) return null;
    if (to.account_id === page.app.session.account.id) {
        return h(
            "div",
            { class: "notice" },
            h("p", null, "The team is offered to you. Its owner pays for the calls of all its keys."),
            button(
                "Accept",
                () =>
                    confirmDialog(
                        `Take over ${team.name}?`,
                        "You own the team and pay for all further calls of its keys, within its caps.",
                        "Accept",
                        async () => {
                            await transfer(team, to.id);
                            say(`${team.name} is yours.`);
                            reload(true);
                        },
                        { kind: "primary" },
                    ),
                { kind: "primary" },
            ),
        );
    }
    return h(
        "div",
        { class: "notice" },
        h("p", null, `The team is offered to ${to.name || to.email}, who has not accepted yet.`),
        team.role === "owner" &&
            button("Take it back", async () => {
                await transfer(team, team.member_id);
                reload(true);
            }),
    );
}

function memberActions(page, team, m, me, reload) {
    const owner = team.role === "owner",
        manages = owner || team.role === "admin",
        self = m.account_id === me;
    const who = m.name || m.email;
    const list = [];
    if (manages) list.push(["Edit", () => editMember(team, m, m.role !== "owner" && !self, reload)]);
    if (owner && !self) {
        list.push([
            "Hand over",
            () =>
                confirmDialog(
                    `Offer the team to ${who}?`,
                    `Once ${who} accepts, they own the team and pay for all further calls, and you are an admin.`,
                    "Offer",
                    async () => {
                        await transfer(team, m.id);
                        say(`${who} can accept on this page.`);
                        reload(true);
                    },
                    { kind: "primary" },
                ),
        ]);
    }
    if (self && m.role !== "owner") {
        list.push([
            "Leave",
            () =>
                confirmDialog(`Leave ${team.name}?`, "Your keys in this team stop working.", "Leave team", async () => {
                    await remove(`teams/${part(team.id)}/members/${part(m.id)}`);
                    say(`You have left ${team.name}.`);
                    setTimeout(() => page.app.go("#/team"));
                }),
            "danger-text",
        ]);
    } else if (manages && m.role !== "owner") {
        list.push([
            "Remove",
            () =>
                confirmDialog(`Remove ${who}?`, "Their keys in this team stop working at once.", "Remove", async () => {
                    await remove(`teams/${part(team.id)}/members/${part(m.id)}`);
                    say(`${who} is no longer a member.`);
                    reload(true);
                }),
            "danger-text",
        ]);
    }
    return list.length ? menuButton(`Actions for ${who}`, list) : null;
}

function members(page, team, reload) {
    const me = page.app.session.account.id;
    return table(
        [
            {
                title: "Member",
                cell: (m) =>
                    h(
                        "div",
                        null,
                        h(
                            "div",
                            { class: "strong break" },
                            m.name || m.email,
                            m.account_id === me && h("span", { class: "muted" }, " (you)"),
                        ),
                        m.name && h("div", { class: "muted small break" }, m.email),
                    ),
            },
            {
                title: "Role",
                cell: (m) => [
                    badge(m.role, m.role === "owner" ? "accent" : ""),
                    m.id === team.transfer_offered_to && badge("offered", "warn"),
                    m.enabled === false && badge("disabled", "bad"),
                ],
            },
            { title: "Cap", cell: (m) => capView(m, `Spent of the cap of ${m.name || m.email}`) },
            { title: "Actions", sr: true, cell: (m) => memberActions(page, team, m, me, reload) },
        ],
        team.members ?? [],
        { label: `Members of ${team.name}` },
    );
}

function invitations(team, reload) {
    if (!team.invitations?.length) return null;
    return [
        h("h3", null, "Invitations"),
        table(
            [
                { title: "E-mail", class: "break", cell: (i) => i.email },
                { title: "Role", cell: (i) => badge(i.role) },
                { title: "Valid until", cell: (i) => day(i.expires_at) },
                {
                    title: "Actions",
                    sr: true,
                    cell: (i) =>
                        button(
                            "Withdraw",
                            async () => {
                                await remove(`teams/${part(team.id)}/invitations/${part(i.id)}`);
                                say(`The invitation to ${i.email} is withdrawn.`);
                                reload(true);
                            },
                            { kind: "small danger-text", label: `Withdraw the invitation to ${i.email}` },
                        ),
                },
            ],
            team.invitations,
            { label: "Invitations" },
        ),
    ];
}

function teamView(page, team, reload) {
    const manages = team.role === "owner" || team.role === "admin";
    const payer = team.payer ?? {};
    return [
        h(
            "div",
            { class: "team-top" },
            h(
                "div",
                null,
                h("h2", { class: "break" }, team.name),
                h(
                    "p",
                    { class: "muted break" },
                    "Paid by ",
                    payer.id === page.app.session.account.id ? "you" : (payer.email ?? "–"),
                    " · you are ",
                    team.role === "owner" ? "the owner" : team.role === "admin" ? "an admin" : "a member",
                ),
            ),
            h(
                "div",
                { class: "actions" },
                manages && button("Invite", () => invite(team, reload), { kind: "primary", iconName: "plus" }),
                manages && button("Settings", () => editTeam(team, reload)),
            ),
        ),
        offer(page, team, reload),
        h("div", { class: "team-cap" }, h("h3", null, "All together"), capView(team, `Spent of the cap of ${team.name}`)),
        h("h3", null, "Members"),
        members(page, team, reload),
        invitations(team, reload),
    ];
}

export function team(page) {
    append(
        page.actions,
        button("New team", () => createTeam(page), { iconName: "plus" }),
    );
    let chosen = page.params.get("id");
    const list = panel({
        page,
        load: async (signal) => {
            const all = (await get("teams", { limit: 200 }, { signal })).data;
            const one = all.find((t) => String(t.id) === chosen) ?? all[0];
            if (!one) return { all, team: null };
            chosen = String(one.id);
            return { all, team: await get(`teams/${part(one.id)}`, null, { signal }) };
        },
        isEmpty: (d) => !d.team,
        empty: () =>
            emptyState(
                "A team shares one balance: everybody has their own keys and caps, and one account pays.",
                button("Make a team", () => createTeam(page), { kind: "primary", iconName: "plus" }),
            ),
        view: ({ all, team: one }) => [
            all.length > 1 &&
                h(
                    "div",
                    { class: "choice spaced", role: "group", "aria-label": "Teams" },
                    all.map((t) =>
                        h(
                            "button",
                            {
                                type: "button",
                                class: "break",
                                "aria-pressed": String(String(t.id) === chosen),
                                onclick: () => {
                                    chosen = String(t.id);
                                    list.reload();
                                },
                            },
                            t.name,
                        ),
                    ),
                ),
            teamView(page, one, list.reload),
        ],
    });
    append(page.root, list.node);
    page.every(20, list.poll);
}
