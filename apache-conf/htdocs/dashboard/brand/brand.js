// SPDX-License-Identifier: Apache-2.0
// Everything that an operator changes: this file (names, links, terms), brand.css (colours) and logo.svg. An upgrade leaves them as they are.
export default {
    // Shown in the header, in titles and on the sign-in page.
    name: "AI Generate",
    tagline: "One key and one balance for every model.",
    // Up to three sentences beside the sign-in form.
    points: [
        "Works with the OpenAI SDKs as they are: change the base URL and the key.",
        "Prepaid: a cap can never be overspent, and every charge shows its arithmetic.",
        "Chat, images, video and music from OpenAI, Anthropic, Google and others.",
    ],
    // Where users find help: an address, or "" for none.
    support_email: "",
    // Other pages of yours, opened from the footer: [text, address].
    links: [],
    // The terms that a user accepts when signing up: an address of your own page, or "" for the text below.
    terms_url: "",
    privacy_url: "",
    // Each entry is a heading and its paragraphs. Have them read by a lawyer before you sell anything.
    terms: [
        [
            "Credit",
            [
                "Credit is prepaid in US dollars. Calls are charged when they succeed, at the provider's price and the markup of your tier; failed calls cost nothing.",
                "The part of a purchase that has not been spent can be refunded within 30 days. Free credit cannot be paid out.",
            ],
        ],
        [
            "Your keys",
            ["Whoever has one of your keys can spend your credit up to its cap. Keep keys secret and disable what you no longer need."],
        ],
        [
            "What is stored",
            [
                "We store what a call cost: time, model, token counts and charge. Prompts and answers pass through to the provider that you chose and are not logged.",
            ],
        ],
        ["Fair use", ["Do not use the service for what the law or the providers' policies forbid. Accounts that do are closed."]],
    ],
};
