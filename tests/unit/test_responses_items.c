/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include "unit.h"
#include "wire/responses_carry.h"
#include "wire/responses_client.h"
#include "wire/responses_items.h"

#include <string.h>

enum { TEXT_MAX = 64 * 1024 };

struct taken {
    struct arena *arena;
    struct neutral_request request;
    const struct neutral_content *content;
    struct err err;
    int rc;
};

/* '...' stands for "...". */
static void take(struct taken *t, const char *text)
{
    char json[TEXT_MAX];
    size_t n = 0;

    memset(t, 0, sizeof *t);
    for (; text[n] != '\0'; n++)
        json[n] = text[n] == '\'' ? '"' : text[n];
    json[n] = '\0';
    t->arena = arena_new();
    if (responses_read_request(&t->request, json, n, &t->err) != 0)
        fail_msg("%s: %s", text, t->err.message);
    t->rc = responses_read_content(&t->request, t->arena, &t->err);
    t->content = t->request.content;
}

static void drop(struct taken *t)
{
    neutral_request_fini(&t->request);
    arena_free(t->arena);
}

static void take_ok(struct taken *t, const char *text)
{
    take(t, text);
    if (t->rc != 0)
        fail_msg("%s: %s", text, t->err.message);
}

static void refused(const char *text, const char *param)
{
    struct taken t;

    take(&t, text);
    if (t.rc == 0)
        fail_msg("%s is taken", text);
    assert_int_equal(t.err.status, 400);
    assert_string_equal(t.err.param, param);
    drop(&t);
}

static void assert_text(const struct neutral_message *m, const char *text)
{
    assert_int_equal(m->part_count, 1);
    assert_true(span_equals(m->parts[0].text, text));
}

static void a_text_is_a_message(void **state)
{
    struct taken t;

    (void)state;
    take_ok(&t, "{'model':'m','input':'hi','instructions':'be brief'}");
    assert_int_equal(t.content->message_count, 2);
    assert_int_equal(t.content->messages[0].role, ROLE_SYSTEM);
    assert_text(&t.content->messages[0], "be brief");
    assert_int_equal(t.content->messages[1].role, ROLE_USER);
    assert_text(&t.content->messages[1], "hi");
    drop(&t);
}

static void items_become_turns(void **state)
{
    struct taken t;

    (void)state;
    take_ok(&t,
            "{'model':'m','input':[{'role':'developer','content':'d'},{'role':'user','content':"
            "'u'},{'type':'reasoning','summary':[]},{'type':'message','role':'assistant',"
            "'content':[{'type':'output_text','text':'a'}]},{'type':'function_call','call_id':"
            "'c1','name':'f','arguments':'{}'},{'type':'function_call','call_id':'c2','name':'g',"
            "'arguments':'{\\u0022x\\u0022:1}'},{'type':'function_call_output','call_id':'c1',"
            "'output':'o1'},{'type':'function_call_output','call_id':'c2','output':[{'type':"
            "'input_text','text':'o2'},{'type':'input_image','image_url':'data:image/png;base64,"
            "QUJD'}]},{'type':'function_call','call_id':'c3','name':'h','arguments':''},"
            "{'type':'function_call_output','call_id':'c3','output':''},{'type':'web_search_call'}"
            ",{'role':'assistant','content':'x'},{'role':'assistant','content':'y'}]}");
    const struct neutral_message *m = t.content->messages;
    assert_int_equal(t.content->message_count, 9);
    assert_int_equal(m[0].role, ROLE_SYSTEM);
    assert_int_equal(m[2].role, ROLE_ASSISTANT);
    assert_text(&m[2], "a");
    assert_int_equal(m[2].call_count, 2);
    assert_string_equal(m[2].calls[0].id, "c1");
    assert_string_equal(m[2].calls[1].name, "g");
    assert_true(span_equals(m[2].calls[1].arguments, "{\"x\":1}"));
    assert_int_equal(m[3].role, ROLE_TOOL);
    assert_string_equal(m[3].tool_call_id, "c1");
    assert_text(&m[3], "o1");
    assert_int_equal(m[4].part_count, 2);
    assert_int_equal(m[4].parts[1].kind, PART_IMAGE);
    assert_string_equal(m[4].parts[1].media_type, "image/png");
    assert_true(span_equals(m[4].parts[1].data, "QUJD"));
    assert_int_equal(m[5].call_count, 1);
    assert_string_equal(m[5].calls[0].id, "c3");
    assert_int_equal(m[6].role, ROLE_TOOL);
    assert_text(&m[7], "x");
    assert_text(&m[8], "y");
    drop(&t);
}

static void parts_of_all_kinds(void **state)
{
    struct taken t;

    (void)state;
    take_ok(&t, "{'model':'m','input':[{'role':'user','content':[{'type':'input_image',"
                "'image_url':'https://x/a.png','detail':'low'},{'type':'input_file','filename':"
                "'f.pdf','file_data':'data:application/pdf;base64,QUJD'},{'type':'input_file',"
                "'file_url':'https://x/b.pdf'},{'type':'input_file','file_id':'file_1'},{'type':"
                "'input_audio','input_audio':{'data':'QUJD','format':'mp3'}}]},{'role':"
                "'assistant','content':[{'type':'refusal','refusal':'no'}]}]}");
    const struct neutral_part *p = t.content->messages[0].parts;
    assert_int_equal(t.content->messages[0].part_count, 5);
    assert_true(span_equals(p[0].url, "https://x/a.png"));
    assert_string_equal(p[0].detail, "low");
    assert_int_equal(p[1].kind, PART_FILE);
    assert_string_equal(p[1].name, "f.pdf");
    assert_string_equal(p[1].media_type, "application/pdf");
    assert_true(span_equals(p[2].url, "https://x/b.pdf"));
    assert_string_equal(p[3].file_id, "file_1");
    assert_int_equal(p[4].kind, PART_AUDIO);
    assert_string_equal(p[4].media_type, "audio/mp3");
    assert_int_equal(t.content->messages[1].parts[0].kind, PART_REFUSAL);
    drop(&t);
}

static void settings_are_read(void **state)
{
    struct taken t;

    (void)state;
    take_ok(&t, "{'model':'m','input':'x','temperature':0.5,'top_p':1,'reasoning':{'effort':"
                "'high'},'text':{'verbosity':'low','format':{'type':'json_schema','name':'n',"
                "'schema':{'type':'object'},'strict':true}},'tools':[{'type':'function','name':"
                "'f','description':'d','parameters':{},'strict':false},{'type':'function','name':"
                "'g'}],'tool_choice':{'type':'function','name':'g'},'parallel_tool_calls':false,"
                "'user':'u','metadata':{'a':'b'},'truncation':'auto','max_tool_calls':3}");
    const struct neutral_content *c = t.content;
    assert_string_equal(json_object_to_json_string(c->temperature), "0.5");
    assert_string_equal(c->reasoning_effort, "high");
    assert_string_equal(c->verbosity, "low");
    assert_int_equal(c->output, OUTPUT_JSON_SCHEMA);
    assert_string_equal(c->schema_name, "n");
    assert_true(c->schema != NULL && c->schema_strict == 1);
    assert_int_equal(c->tool_count, 2);
    assert_true(c->tools[0].strict == 0 && c->tools[1].strict == -1);
    assert_string_equal(c->tools[0].description, "d");
    assert_int_equal(c->tool_choice, TOOL_CHOICE_NAMED);
    assert_string_equal(c->tool_choice_name, "g");
    assert_int_equal(c->parallel_tool_calls, 0);
    assert_string_equal(c->user, "u");
    assert_true(c->metadata != NULL && !c->logprobs && c->top_logprobs == -1);
    drop(&t);
}

static void only_allowed_tools_are_shown(void **state)
{
    struct taken t;

    (void)state;
    take_ok(&t, "{'model':'m','input':'x','tools':[{'type':'function','name':'f'},{'type':"
                "'function','name':'g'}],'tool_choice':{'type':'allowed_tools','mode':'required',"
                "'tools':[{'type':'function','name':'g'},{'type':'function','name':'nobody'}]}}");
    assert_int_equal(t.content->tool_count, 1);
    assert_string_equal(t.content->tools[0].name, "g");
    assert_int_equal(t.content->tool_choice, TOOL_CHOICE_REQUIRED);
    drop(&t);
}

static void what_needs_openai_is_refused(void **state)
{
    static const struct {
        const char *text;
        const char *param;
    } cases[] = {
        {"{'model':'m','input':'x','tools':[{'type':'custom','name':'c'}]}", "tools[0]"},
        {"{'model':'m','input':'x','tools':[{'type':'function'}]}", "tools[0].name"},
        {"{'model':'m','input':'x','max_tokens':5}", "max_tokens"},
        {"{'model':'m','input':'x','stop':['a']}", "stop"},
        {"{'model':'m','input':'x','tool_choice':'perhaps'}", "tool_choice"},
        {"{'model':'m','input':'x','tool_choice':{'type':'function'}}", "tool_choice"},
        {"{'model':'m','input':'x','tool_choice':{'type':'allowed_tools'}}", "tool_choice"},
        {"{'model':'m','input':'x','text':{'format':{'type':'json_schema'}}}", "text.format"},
        {"{'model':'m','input':'x','text':{'format':{'type':'grammar'}}}", "text.format"},
        {"{'model':'m','input':'x','text':{'verbosity':1}}", "text.verbosity"},
        {"{'model':'m','input':'x','temperature':'hot'}", "temperature"},
        {"{'model':'m','input':'x','top_logprobs':21}", "top_logprobs"},
        {"{'model':'m','input':'x','reasoning':{'effort':1}}", "reasoning.effort"},
        {"{'model':'m','input':[{'type':'item_reference','id':'i'}]}", "input[0]"},
        {"{'model':'m','input':[{'type':'custom_tool_call'}]}", "input[0].type"},
        {"{'model':'m','input':[{'role':'robot'}]}", "input[0].role"},
        {"{'model':'m','input':[{'role':'user'},{'type':'function_call','name':'f'}]}", "input[1]"},
        {"{'model':'m','input':[{'type':'function_call_output'}]}", "input[0].call_id"},
        {"{'model':'m','input':[{'role':'user','content':[5]}]}", "input[0].content[0].type"},
        {"{'model':'m','input':[{'role':'user','content':[{'type':'input_text'}]}]}",
         "input[0].content[0].text"},
        {"{'model':'m','input':[{'role':'user','content':[{'type':'input_image'}]}]}",
         "input[0].content[0]"},
        {"{'model':'m','input':[{'role':'user','content':[{'type':'input_image','image_url':"
         "'data:image/png,x'}]}]}",
         "input[0].content[0].image_url"},
        {"{'model':'m','input':[{'role':'user','content':[{'type':'input_image','image_url':"
         "'file:///etc/passwd'}]}]}",
         "input[0].content[0].image_url"},
        {"{'model':'m','input':[{'role':'user','content':[{'type':'input_file'}]}]}",
         "input[0].content[0]"},
        {"{'model':'m','input':[{'role':'user','content':[{'type':'input_file','file_data':"
         "'QUJD'}]}]}",
         "input[0].content[0].file_data"},
        {"{'model':'m','input':[{'type':'function_call_output','call_id':'c','output':[{'type':"
         "'input_audio'}]}]}",
         "input[0].output[0].input_audio.data"},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++)
        refused(cases[i].text, cases[i].param);
}

/* Reasoning state that was carried in an item goes to the message and to its calls. */
static void state_is_carried_back(void **state)
{
    struct json_object *details =
        json_tokener_parse("[{\"type\":\"reasoning.text\",\"text\":\"t\",\"signature\":\"s\"}]");
    struct json_object *calls =
        json_tokener_parse("{\"c1\":{\"google\":{\"thought_signature\":\"sig\"}},\"other\":{}}");
    struct buf carried;
    struct buf text;
    struct taken t;

    (void)state;
    buf_init(&carried, TEXT_MAX);
    buf_init(&text, TEXT_MAX);
    responses_carry_write(&carried, details, calls);
    buf_printf(&text,
               "{'model':'m','input':[{'role':'user','content':'u'},{'type':'reasoning',"
               "'encrypted_content':'gAAAA'},{'type':'function_call','call_id':'c1','name':'f',"
               "'arguments':'{}'},{'type':'reasoning','encrypted_content':'%s'},{'type':"
               "'function_call_output','call_id':'c1','output':'o'},{'type':'reasoning',"
               "'encrypted_content':'aig1.!!'},{'type':'reasoning','encrypted_content':'%s'},"
               "{'role':'assistant','content':'a'},{'type':'reasoning','encrypted_content':'%s'}]}",
               carried.data, carried.data, carried.data);
    take_ok(&t, text.data);
    const struct neutral_message *m = t.content->messages;
    assert_int_equal(t.content->message_count, 4);
    assert_true(json_object_equal(m[1].reasoning_details, details));
    assert_true(json_object_equal(m[1].calls[0].extra, jsonx_get(calls, "c1")));
    assert_text(&m[3], "a");
    assert_int_equal(json_object_array_length(m[3].reasoning_details), 2);
    drop(&t);
    buf_fini(&text);
    buf_fini(&carried);
    json_object_put(details);
    json_object_put(calls);
}

static void a_carry_is_read_as_it_was_written(void **state)
{
    struct json_object *details = NULL;
    struct json_object *calls = NULL;
    struct buf text;

    (void)state;
    buf_init(&text, TEXT_MAX);
    responses_carry_write(&text, NULL, NULL);
    assert_int_equal(text.len, 0);
    struct json_object *none = json_object_new_object();
    responses_carry_write(&text, NULL, none);
    assert_int_equal(text.len, 0);
    json_object_put(none);
    static const char *const foreign[] = {"", "gAAAAAx", "aig", "aig2.e30="};
    for (size_t i = 0; i < ARRAY_LEN(foreign); i++)
        assert_false(responses_carry_read(&details, &calls, span_of(foreign[i])));
    static const char *const broken[] = {"aig1.", "aig1.e30", "aig1.eyI=", "aig1.W10="};
    for (size_t i = 0; i < ARRAY_LEN(broken); i++) {
        assert_true(responses_carry_read(&details, &calls, span_of(broken[i])));
        assert_true(details == NULL && calls == NULL);
    }
    buf_fini(&text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_text_is_a_message),
        cmocka_unit_test(items_become_turns),
        cmocka_unit_test(parts_of_all_kinds),
        cmocka_unit_test(settings_are_read),
        cmocka_unit_test(only_allowed_tools_are_shown),
        cmocka_unit_test(what_needs_openai_is_refused),
        cmocka_unit_test(state_is_carried_back),
        cmocka_unit_test(a_carry_is_read_as_it_was_written),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
