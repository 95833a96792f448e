/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include "unit.h"
#include "wire/completions_content.h"
#include "wire/completions_request.h"
#include "wire/messages.h"

#include <stdio.h>
#include <string.h>

enum { TEXT_MAX = 64 * 1024 * 1024 };

/* In this file's JSON texts ' stands for ". */
static void unquote(struct buf *out, const char *text)
{
    buf_clear(out);
    for (; *text != '\0'; text++)
        buf_append_char(out, *text == '\'' ? '"' : *text);
}

static struct json_object *json(const char *text)
{
    struct json_object *v = NULL;
    struct err err;
    struct buf b;

    buf_init(&b, TEXT_MAX);
    unquote(&b, text);
    if (jsonx_parse(&v, b.data, b.len, &err) != 0)
        fail_msg("%s: %s", err.message, text);
    buf_fini(&b);
    return v;
}

/* What becomes of a chat request; NULL and err for a refusal. */
static struct json_object *write_chat(struct json_object *chat, const char *upstream_model,
                                      const char *dialect, int64_t limit, struct err *err)
{
    struct neutral_target target = {.upstream_model = upstream_model,
                                    .dialect = dialect,
                                    .output_limit = limit,
                                    .model = "the-model"};
    struct arena *arena = arena_new();
    struct json_object *out = NULL;
    struct neutral_request r;
    struct buf text;
    struct buf body;

    buf_init(&text, TEXT_MAX);
    buf_init(&body, TEXT_MAX);
    jsonx_write(&text, chat);
    err_clear(err);
    assert_int_equal(completions_read_request(&r, text.data, text.len, err), 0);
    assert_int_equal(completions_read_content(&r, arena, err), 0);
    if (messages_format.write_request(&body, &r, &target, err) == 0) {
        struct err parse;
        assert_false(buf_failed(&body));
        assert_int_equal(jsonx_parse(&out, body.data, body.len, &parse), 0);
    } else {
        assert_int_equal(body.len, 0);
        assert_true(err->status >= 400);
        assert_true(err->message[0] != '\0');
    }
    buf_fini(&body);
    buf_fini(&text);
    neutral_request_fini(&r);
    arena_free(arena);
    return out;
}

struct request_case {
    const char *name;
    const char *dialect;
    const char *chat;     /* without model; messages are HI if it has none */
    const char *expected; /* without model; max_tokens 10000 and HI's messages if it has none */
    const char *field;    /* of the refusal, when expected is NULL */
};

#define HI_CHAT "[{'role':'user','content':'Hi'}]"
#define HI      "[{'role':'user','content':[{'type':'text','text':'Hi'}]}]"

static void set_default(struct json_object *obj, const char *key, const char *text)
{
    if (jsonx_get(obj, key) == NULL)
        jsonx_set(obj, key, json(text));
}

static void check_case(const struct request_case *c)
{
    struct json_object *chat = json(c->chat);
    struct json_object *expected = c->expected != NULL ? json(c->expected) : NULL;
    struct err err;

    jsonx_set_str(chat, "model", "the-model");
    set_default(chat, "messages", HI_CHAT);
    struct json_object *out = write_chat(chat, "up", c->dialect, 10000, &err);
    if (expected != NULL) {
        if (out == NULL)
            fail_msg("%s: refused: %s", c->name, err.message);
        jsonx_set_str(expected, "model", "up");
        set_default(expected, "max_tokens", "10000");
        set_default(expected, "messages", HI);
        if (!json_object_equal(out, expected))
            fail_msg("%s (%s): %s", c->name, c->dialect, json_object_to_json_string(out));
    } else {
        if (out != NULL)
            fail_msg("%s (%s): %s", c->name, c->dialect, json_object_to_json_string(out));
        assert_int_equal(err.status, 400);
        assert_string_equal(err.param, c->field);
    }
    json_object_put(out);
    json_object_put(expected);
    json_object_put(chat);
}

static void check_cases(const struct request_case *cases, size_t count)
{
    for (size_t i = 0; i < count; i++)
        check_case(&cases[i]);
}

static void test_plain_fields(void **state)
{
    static const struct request_case cases[] = {
        {"least", "claude-4.5", "{}", "{}", NULL},
        {"stream", "claude-4.5", "{'stream':true}", "{'stream':true}", NULL},
        {"user", "claude-4.5", "{'user':'u-1'}", "{'metadata':{'user_id':'u-1'}}", NULL},
        {"what changes nothing", "claude-5",
         "{'seed':7,'logit_bias':{},'frequency_penalty':0,'n':1,'metadata':{'a':'b'},"
         "'temperature':1,'top_p':1,'logprobs':false}",
         "{}", NULL},
        {"automatic caching", "claude-4.5", "{'cache_control':{'type':'ephemeral','ttl':'1h'}}",
         "{'cache_control':{'type':'ephemeral','ttl':'1h'}}", NULL},
        {"stop", "claude-4.5", "{'stop':['a',' ','\\n','','b ']}", "{'stop_sequences':['a','b ']}",
         NULL},
        {"blank stop", "claude-4.5", "{'stop':'\\n'}", "{}", NULL},
        {"n", "claude-4.5", "{'n':2}", NULL, "n"},
        {"logprobs", "claude-4.6", "{'logprobs':true}", NULL, "logprobs"},
        {"logit_bias", "claude-4.6", "{'logit_bias':{'1':5}}", NULL, "logit_bias"},
        {"penalty", "claude-4.6", "{'presence_penalty':0.5}", NULL, "presence_penalty"},
    };
    (void)state;
    check_cases(cases, ARRAY_LEN(cases));
}

static void test_sampling(void **state)
{
    static const struct request_case cases[] = {
        {"as it is", "claude-4.5", "{'temperature':0.25,'top_k':5}",
         "{'temperature':0.25,'top_k':5}", NULL},
        {"clamped", "claude-4.6", "{'temperature':1.7}", "{'temperature':1}", NULL},
        {"clamped up", "claude-4.6", "{'temperature':-0.5}", "{'temperature':0}", NULL},
        {"top_p", "claude-4.6", "{'top_p':0.9}", "{'top_p':0.9}", NULL},
        {"both, one the default", "claude-4.5", "{'temperature':0.2,'top_p':1}",
         "{'temperature':0.2}", NULL},
        {"both, the other the default", "claude-4.5", "{'temperature':1,'top_p':0.2}",
         "{'top_p':0.2}", NULL},
        {"both", "claude-4.5", "{'temperature':0.2,'top_p':0.5}", NULL, "top_p"},
        {"refused", "claude-5", "{'temperature':0.2}", NULL, "temperature"},
        {"refused", "claude-haiku-5.5", "{'temperature':0}", NULL, "temperature"},
        {"refused", "claude-sonnet-5.5", "{'top_p':0.2}", NULL, "top_p"},
        {"refused", "claude-5.5", "{'top_k':2}", NULL, "top_k"},
        {"default left out", "claude-5.5", "{'temperature':1.0,'top_p':1}", "{}", NULL},
        {"thinking fixes it", "claude-4.5", "{'temperature':0.2,'reasoning_effort':'low'}", NULL,
         "temperature"},
        {"thinking fixes top_p", "claude-4.6", "{'top_p':0.5,'reasoning_effort':'low'}", NULL,
         "top_p"},
        {"thinking fixes top_k", "claude-4.6", "{'top_k':5,'reasoning_effort':'low'}", NULL,
         "top_k"},
        {"thinking off", "claude-4.6", "{'temperature':0.2,'reasoning_effort':'none'}",
         "{'temperature':0.2}", NULL},
        {"thinking and the default", "claude-4.6", "{'temperature':1,'reasoning_effort':'low'}",
         "{'temperature':1,'thinking':{'type':'adaptive'},'output_config':{'effort':'low'}}", NULL},
    };
    (void)state;
    check_cases(cases, ARRAY_LEN(cases));
}

static void test_thinking(void **state)
{
    static const struct request_case cases[] = {
        {"unset", "claude-5.5", "{}", "{}", NULL},
        {"budget", "claude-4.5", "{'reasoning_effort':'medium'}",
         "{'thinking':{'type':'enabled','budget_tokens':5000}}", NULL},
        {"least budget", "claude-4.5", "{'reasoning_effort':'minimal'}",
         "{'thinking':{'type':'enabled','budget_tokens':1024}}", NULL},
        {"most budget", "claude-4.5", "{'reasoning_effort':'max'}",
         "{'thinking':{'type':'enabled','budget_tokens':9500}}", NULL},
        {"off", "claude-4.5", "{'reasoning_effort':'none'}", "{}", NULL},
        {"off", "claude-4.6", "{'reasoning_effort':'none'}", "{}", NULL},
        {"off", "claude-5", "{'reasoning_effort':'none'}", "{'thinking':{'type':'disabled'}}",
         NULL},
        {"off", "claude-haiku-5.5", "{'reasoning_effort':'none'}",
         "{'thinking':{'type':'disabled'}}", NULL},
        {"least", "claude-sonnet-5.5", "{'reasoning_effort':'none'}",
         "{'thinking':{'type':'between_tools'}}", NULL},
        {"cannot be off", "claude-5.5", "{'reasoning_effort':'none'}",
         "{'thinking':{'type':'adaptive','display':'summarized'},"
         "'output_config':{'effort':'low'}}",
         NULL},
        {"adaptive", "claude-4.6", "{'reasoning_effort':'high'}",
         "{'thinking':{'type':'adaptive'},'output_config':{'effort':'high'}}", NULL},
        {"no xhigh", "claude-4.6", "{'reasoning_effort':'xhigh'}",
         "{'thinking':{'type':'adaptive'},'output_config':{'effort':'high'}}", NULL},
        {"xhigh", "claude-5", "{'reasoning_effort':'xhigh'}",
         "{'thinking':{'type':'adaptive','display':'summarized'},"
         "'output_config':{'effort':'xhigh'}}",
         NULL},
        {"unknown", "claude-5", "{'reasoning_effort':'huge'}", NULL, "reasoning_effort"},
    };
    (void)state;
    check_cases(cases, ARRAY_LEN(cases));
}

/* max_tokens, and what is left for thinking. */
static void test_budget_is_below_the_limit(void **state)
{
    static const int64_t limits[] = {1, 256, 1024, 1279, 1280, 1281, 2000, 4096, 64000};
    static const char *const efforts[] = {"minimal", "low", "medium", "high", "xhigh", "max"};
    struct err err;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(limits); i++) {
        for (size_t k = 0; k < ARRAY_LEN(efforts); k++) {
            struct json_object *chat = json("{'model':'x','messages':" HI_CHAT "}");
            jsonx_set_str(chat, "reasoning_effort", efforts[k]);
            struct json_object *out = write_chat(chat, "up", "claude-4.5", limits[i], &err);
            struct json_object *thinking = jsonx_object(out, "thinking");
            assert_int_equal(jsonx_i64(out, "max_tokens", -1), limits[i]);
            assert_true((thinking != NULL) == (limits[i] >= 1280));
            if (thinking != NULL) {
                int64_t budget = jsonx_i64(thinking, "budget_tokens", -1);
                assert_true(budget >= 1024 && budget < limits[i]);
            }
            json_object_put(out);
            json_object_put(chat);
        }
    }
}

#define TOOLS_CHAT                                                                                 \
    "'tools':[{'type':'function','function':{'name':'f','description':'F','parameters':"           \
    "{'type':'object','properties':{'a':{'type':'string'}}}}},"                                    \
    "{'type':'function','function':{'name':'g'}}]"
#define TOOL_F                                                                                     \
    "{'name':'f','description':'F','input_schema':"                                                \
    "{'type':'object','properties':{'a':{'type':'string'}}}}"
#define TOOLS "'tools':[" TOOL_F ",{'name':'g','input_schema':{'type':'object','properties':{}}}]"
#define NAMED "'tool_choice':{'type':'function','function':{'name':'f'}}"
#define CALL_F                                                                                     \
    "'system':'Your next answer must call the tool \\'f\\'. Do not answer with text alone.'"
#define CALL_ANY                                                                                   \
    "'system':'Your next answer must call at least one of the tools. Do not answer with text "     \
    "alone.'"

static void test_tools(void **state)
{
    static const struct request_case cases[] = {
        {"offered", "claude-4.5", "{" TOOLS_CHAT "}", "{" TOOLS "}", NULL},
        {"auto", "claude-4.5", "{" TOOLS_CHAT ",'tool_choice':'auto'}",
         "{" TOOLS ",'tool_choice':{'type':'auto'}}", NULL},
        {"none", "claude-5.5", "{" TOOLS_CHAT ",'tool_choice':'none'}",
         "{" TOOLS ",'tool_choice':{'type':'none'}}", NULL},
        {"none, not parallel", "claude-4.5",
         "{" TOOLS_CHAT ",'tool_choice':'none','parallel_tool_calls':false}",
         "{" TOOLS ",'tool_choice':{'type':'none'}}", NULL},
        {"not parallel", "claude-4.5", "{" TOOLS_CHAT ",'parallel_tool_calls':false}",
         "{" TOOLS ",'tool_choice':{'type':'auto','disable_parallel_tool_use':true}}", NULL},
        {"parallel", "claude-4.5", "{" TOOLS_CHAT ",'parallel_tool_calls':true}", "{" TOOLS "}",
         NULL},
        {"required", "claude-4.5", "{" TOOLS_CHAT ",'tool_choice':'required'}",
         "{" TOOLS ",'tool_choice':{'type':'any'}}", NULL},
        {"named, not parallel", "claude-4.6",
         "{" TOOLS_CHAT "," NAMED ",'parallel_tool_calls':false}",
         "{" TOOLS ",'tool_choice':{'type':'tool','name':'f','disable_parallel_tool_use':true}}",
         NULL},
        {"no tools, no choice", "claude-4.5", "{'tools':[],'tool_choice':'none'}", "{}", NULL},
        {"forced without tools", "claude-4.5", "{'tool_choice':'required'}", NULL, "tool_choice"},
        {"unknown name", "claude-4.5",
         "{" TOOLS_CHAT ",'tool_choice':{'type':'function','function':{'name':'h'}}}", NULL,
         "tool_choice"},
        {"cache mark", "claude-4.5",
         "{'tools':[{'type':'function','function':{'name':'g'},"
         "'cache_control':{'type':'ephemeral'}}]}",
         "{'tools':[{'name':'g','input_schema':{'type':'object','properties':{}},"
         "'cache_control':{'type':'ephemeral'}}]}",
         NULL},
        {"a schema without type", "claude-4.5",
         "{'tools':[{'type':'function','function':{'name':'g','parameters':{'properties':{}}}}]}",
         "{'tools':[{'name':'g','input_schema':{'type':'object','properties':{}}}]}", NULL},
        {"strict", "claude-4.5",
         "{'tools':[{'type':'function','function':{'name':'g','strict':true,'parameters':"
         "{'type':'object','properties':{'n':{'type':'integer','minimum':1}}}}}]}",
         "{'tools':[{'name':'g','strict':true,'input_schema':{'type':'object','properties':"
         "{'n':{'type':'integer','description':'(minimum: 1)'}},'additionalProperties':false}}]}",
         NULL},
        {"not strict", "claude-4.5",
         "{'tools':[{'type':'function','function':{'name':'g','strict':false,'parameters':"
         "{'type':'object','additionalProperties':{'minimum':1}}}}]}",
         "{'tools':[{'name':'g','input_schema':{'type':'object','additionalProperties':"
         "{'minimum':1}}}]}",
         NULL},
        {"strict with free keys", "claude-4.5",
         "{'tools':[{'type':'function','function':{'name':'g','strict':true,'parameters':"
         "{'type':'object','additionalProperties':{'minimum':1}}}}]}",
         NULL, "tools[0].function.parameters"},
    };
    (void)state;
    check_cases(cases, ARRAY_LEN(cases));
}

static void test_forced_choice_by_generation(void **state)
{
    static const struct request_case cases[] = {
        {"thinking gives way", "claude-4.5", "{" TOOLS_CHAT "," NAMED ",'reasoning_effort':'high'}",
         "{" TOOLS ",'tool_choice':{'type':'tool','name':'f'}}", NULL},
        {"thinking gives way", "claude-4.6", "{" TOOLS_CHAT "," NAMED ",'reasoning_effort':'max'}",
         "{" TOOLS ",'tool_choice':{'type':'tool','name':'f'},'output_config':{'effort':'high'}}",
         NULL},
        {"on by default", "claude-5", "{" TOOLS_CHAT ",'tool_choice':'required'}",
         "{" TOOLS ",'tool_choice':{'type':'any'},'thinking':{'type':'disabled'}}", NULL},
        {"both", "claude-haiku-5.5",
         "{" TOOLS_CHAT ",'tool_choice':'required','reasoning_effort':'low'}",
         "{" TOOLS ",'tool_choice':{'type':'any'},'thinking':{'type':'adaptive',"
         "'display':'summarized'},'output_config':{'effort':'low'}}",
         NULL},
        {"in words", "claude-sonnet-5.5", "{" TOOLS_CHAT ",'tool_choice':'required'}",
         "{" TOOLS ",'tool_choice':{'type':'auto'}," CALL_ANY "}", NULL},
        {"in words, the named tool only", "claude-5.5", "{" TOOLS_CHAT "," NAMED "}",
         "{'tools':[" TOOL_F "],'tool_choice':{'type':'auto'}," CALL_F "}", NULL},
        {"in words, after the client's", "claude-5.5",
         "{" TOOLS_CHAT "," NAMED ",'parallel_tool_calls':false,"
         "'messages':[{'role':'system','content':'Be kind.'},{'role':'user','content':'Hi'}]}",
         "{'tools':[" TOOL_F "],'tool_choice':{'type':'auto','disable_parallel_tool_use':true},"
         "'system':[{'type':'text','text':'Be kind.'},{'type':'text','text':'Your next answer "
         "must call the tool \\'f\\'. Do not answer with text alone.'}]}",
         NULL},
    };
    (void)state;
    check_cases(cases, ARRAY_LEN(cases));
}

#define BARE                                                                                       \
    "Answer with one valid JSON object and nothing else: no text before or after it, no code "     \
    "fence."

static void test_output(void **state)
{
    static const struct request_case cases[] = {
        {"text", "claude-5", "{'response_format':{'type':'text'}}", "{}", NULL},
        {"json_object", "claude-4.5", "{'response_format':{'type':'json_object'}}",
         "{'system':'" BARE "'}", NULL},
        {"json_schema", "claude-4.5",
         "{'response_format':{'type':'json_schema','json_schema':{'name':'n','strict':true,"
         "'schema':{'type':'object','properties':{'a':{'type':'integer','maximum':5}}}}}}",
         "{'output_config':{'format':{'type':'json_schema','schema':{'type':'object',"
         "'properties':{'a':{'type':'integer','description':'(maximum: 5)'}},"
         "'additionalProperties':false}}}}",
         NULL},
        {"json_schema and effort", "claude-5.5",
         "{'reasoning_effort':'max','response_format':{'type':'json_schema','json_schema':"
         "{'name':'n','schema':{'type':'object','properties':{}}}}}",
         "{'thinking':{'type':'adaptive','display':'summarized'},'output_config':{'effort':'max',"
         "'format':{'type':'json_schema','schema':{'type':'object','properties':{},"
         "'additionalProperties':false}}}}",
         NULL},
        {"free keys, strict", "claude-4.5",
         "{'response_format':{'type':'json_schema','json_schema':{'name':'n','strict':true,"
         "'schema':{'type':'object'}}}}",
         NULL, "response_format"},
        {"free keys", "claude-4.5",
         "{'response_format':{'type':'json_schema','json_schema':{'name':'n',"
         "'schema':{'type':'object'}}}}",
         "{'system':'" BARE
         "\\nThe object must be valid against this JSON Schema:\\n{\\'type\\':\\'object\\'}'}",
         NULL},
    };
    (void)state;
    check_cases(cases, ARRAY_LEN(cases));
}

#define EPHEMERAL "'cache_control':{'type':'ephemeral'}"

static void test_system_and_turns(void **state)
{
    static const struct request_case cases[] = {
        {"system and developer", "claude-4.5",
         "{'messages':[{'role':'system','content':'A'},{'role':'user','content':'Hi'},"
         "{'role':'developer','content':[{'type':'text','text':'B'},"
         "{'type':'text','text':' '}]}]}",
         "{'system':[{'type':'text','text':'A'},{'type':'text','text':'B'}]}", NULL},
        {"marked system", "claude-4.5",
         "{'messages':[{'role':'system','content':[{'type':'text','text':'A'," EPHEMERAL
         "}]},{'role':'user','content':'Hi'}]}",
         "{'system':[{'type':'text','text':'A'," EPHEMERAL "}]}", NULL},
        {"mark on the message", "claude-4.5",
         "{'messages':[{'role':'system'," EPHEMERAL ",'content':'A'},"
         "{'role':'user'," EPHEMERAL ",'content':'Hi'}]}",
         "{'system':[{'type':'text','text':'A'," EPHEMERAL "}],"
         "'messages':[{'role':'user','content':[{'type':'text','text':'Hi'," EPHEMERAL "}]}]}",
         NULL},
        {"picture in system", "claude-4.5",
         "{'messages':[{'role':'system','content':[{'type':'image_url','image_url':"
         "{'url':'https://a/b.png'}}]}]}",
         NULL, "messages"},
        {"neighbours, blanks", "claude-4.5",
         "{'messages':[{'role':'user','content':'A'},{'role':'user','content':[{'type':'text',"
         "'text':'B'},{'type':'text','text':'\\n'}]},{'role':'assistant','content':''},"
         "{'role':'assistant','content':'C'},{'role':'assistant','content':'D'},"
         "{'role':'user','content':'E'}]}",
         "{'messages':[{'role':'user','content':[{'type':'text','text':'A'},{'type':'text',"
         "'text':'B'}]},{'role':'assistant','content':[{'type':'text','text':'C'},"
         "{'type':'text','text':'D'}]},{'role':'user','content':[{'type':'text','text':'E'}]}]}",
         NULL},
        {"the assistant first", "claude-5",
         "{'messages':[{'role':'assistant','content':'Hello!'},{'role':'user','content':'Hi'}]}",
         "{'messages':[{'role':'user','content':[{'type':'text','text':"
         "'(The conversation begins with your words.)'}]},{'role':'assistant','content':"
         "[{'type':'text','text':'Hello!'}]},{'role':'user','content':[{'type':'text',"
         "'text':'Hi'}]}]}",
         NULL},
        {"refusal in the past", "claude-5",
         "{'messages':[{'role':'user','content':'A'},{'role':'assistant','content':["
         "{'type':'refusal','refusal':'No.'}]},{'role':'user','content':'B'}]}",
         "{'messages':[{'role':'user','content':[{'type':'text','text':'A'}]},"
         "{'role':'assistant','content':[{'type':'text','text':'No.'}]},"
         "{'role':'user','content':[{'type':'text','text':'B'}]}]}",
         NULL},
        {"nothing to say", "claude-5", "{'messages':[{'role':'user','content':' '}]}", NULL,
         "messages"},
        {"to be continued", "claude-4.5",
         "{'reasoning_effort':'high','messages':[{'role':'user','content':'A'},"
         "{'role':'assistant','content':'B \\n'}]}",
         "{'messages':[{'role':'user','content':[{'type':'text','text':'A'}]},"
         "{'role':'assistant','content':[{'type':'text','text':'B'}]}]}",
         NULL},
        {"to be continued", "claude-4.6",
         "{'messages':[{'role':'user','content':'A'},{'role':'assistant','content':'B'}]}", NULL,
         "messages"},
    };
    (void)state;
    check_cases(cases, ARRAY_LEN(cases));
}

#define PNG        "data:image/png;base64,iVBORw0KGgo="
#define USER(part) "{'messages':[{'role':'user','content':[" part "]}]}"

static void test_media(void **state)
{
    static const struct request_case cases[] = {
        {"image by data URL", "claude-4.5",
         USER("{'type':'image_url','image_url':{'url':'" PNG "'}}"),
         USER("{'type':'image','source':{'type':'base64','media_type':'image/png',"
              "'data':'iVBORw0KGgo='}}"),
         NULL},
        {"image by URL", "claude-4.5",
         USER("{'type':'image_url','image_url':{'url':'https://a/b'}," EPHEMERAL "}"),
         USER("{'type':'image','source':{'type':'url','url':'https://a/b'}," EPHEMERAL "}"), NULL},
        {"jpg", "claude-4.5",
         USER("{'type':'image_url','image_url':{'url':'data:image/jpg;base64,/9j/'}}"),
         USER("{'type':'image','source':{'type':'base64','media_type':'image/jpeg',"
              "'data':'/9j/'}}"),
         NULL},
        {"http", "claude-4.5", USER("{'type':'image_url','image_url':{'url':'http://a/b'}}"), NULL,
         "messages[0].content[0]"},
        {"tiff", "claude-4.5",
         USER("{'type':'text','text':'x'},"
              "{'type':'image_url','image_url':{'url':'data:image/tiff;base64,AA=='}}"),
         NULL, "messages[0].content[1]"},
        {"audio", "claude-4.5",
         USER("{'type':'input_audio','input_audio':{'data':'AA==','format':'wav'}}"), NULL,
         "messages[0].content[0]"},
        {"pdf", "claude-4.5",
         USER("{'type':'file','file':{'filename':'a.pdf','file_data':"
              "'data:application/pdf;base64,JVBERi0='}}"),
         USER("{'type':'document','title':'a.pdf','source':{'type':'base64','media_type':"
              "'application/pdf','data':'JVBERi0='}}"),
         NULL},
        {"pdf by URL", "claude-4.5", USER("{'type':'file','file':{'file_data':'https://a/b.pdf'}}"),
         USER("{'type':'document','source':{'type':'url','url':'https://a/b.pdf'}}"), NULL},
        {"text file", "claude-4.5",
         USER("{'type':'file','file':{'file_data':'data:text/plain;base64,w6Qh'}}"),
         USER("{'type':'document','source':{'type':'text','media_type':'text/plain',"
              "'data':'\xc3\xa4!'}}"),
         NULL},
        {"text that is none", "claude-4.5",
         USER("{'type':'file','file':{'file_data':'data:text/plain;base64,/w=='}}"), NULL,
         "messages[0].content[0]"},
        {"no base64", "claude-4.5",
         USER("{'type':'file','file':{'file_data':'data:text/plain;base64,w6.h'}}"), NULL,
         "messages[0].content[0]"},
        {"image as file", "claude-4.5", USER("{'type':'file','file':{'file_data':'" PNG "'}}"),
         USER("{'type':'image','source':{'type':'base64','media_type':'image/png',"
              "'data':'iVBORw0KGgo='}}"),
         NULL},
        {"pdf by http", "claude-4.5", USER("{'type':'file','file':{'file_data':'http://a/b.pdf'}}"),
         NULL, "messages[0].content[0]"},
        {"zip", "claude-4.5",
         USER("{'type':'file','file':{'file_data':'data:application/zip;base64,AA=='}}"), NULL,
         "messages[0].content[0]"},
        {"file id", "claude-4.5", USER("{'type':'file','file':{'file_id':'file-1'}}"), NULL,
         "messages[0].content[0]"},
    };
    (void)state;
    check_cases(cases, ARRAY_LEN(cases));
}

#define CALLS_CHAT                                                                                 \
    "{'role':'user','content':'Q'},{'role':'assistant','content':'Wait.','tool_calls':["           \
    "{'id':'toolu_1','type':'function','function':{'name':'f','arguments':'{\\\"a\\\":1.50}'}},"   \
    "{'id':'call:2/x','type':'function','function':{'name':'g','arguments':''}}]},"
#define CALLS                                                                                      \
    "{'role':'user','content':[{'type':'text','text':'Q'}]},"                                      \
    "{'role':'assistant','content':[{'type':'text','text':'Wait.'},"                               \
    "{'type':'tool_use','id':'toolu_1','name':'f','input':{'a':1.50}},"                            \
    "{'type':'tool_use','id':'call_2_x','name':'g','input':{}}]},"
#define PAST_TOOLS                                                                                 \
    "'tools':[{'name':'f','input_schema':{'type':'object','properties':{}}},"                      \
    "{'name':'g','input_schema':{'type':'object','properties':{}}}],"                              \
    "'tool_choice':{'type':'none'}"

static void test_results(void **state)
{
    static const struct request_case cases[] = {
        {"both results and what the user adds, in one message", "claude-4.5",
         "{'messages':[" CALLS_CHAT "{'role':'tool','tool_call_id':'toolu_1','content':'one'},"
         "{'role':'tool','tool_call_id':'call:2/x','content':[{'type':'text','text':'a'},"
         "{'type':'text','text':'b'}]},{'role':'user','content':'And?'}]," TOOLS_CHAT "}",
         "{'messages':[" CALLS "{'role':'user','content':[{'type':'tool_result',"
         "'tool_use_id':'toolu_1','content':'one'},{'type':'tool_result','tool_use_id':"
         "'call_2_x','content':[{'type':'text','text':'a'},{'type':'text','text':'b'}]},"
         "{'type':'text','text':'And?'}]}]," TOOLS "}",
         NULL},
        {"results come first", "claude-4.5",
         "{'messages':[" CALLS_CHAT "{'role':'user','content':'Mind you'},"
         "{'role':'tool','tool_call_id':'toolu_1','content':''}]," TOOLS_CHAT "}",
         "{'messages':[" CALLS "{'role':'user','content':[{'type':'tool_result',"
         "'tool_use_id':'toolu_1'},{'type':'text','text':'Mind you'}]}]," TOOLS "}",
         NULL},
        {"an image as result, marked", "claude-4.5",
         "{'messages':[" CALLS_CHAT "{'role':'tool','tool_call_id':'toolu_1'," EPHEMERAL
         ",'content':[{'type':'image_url','image_url':{'url':'https://a/b'}}]}]," TOOLS_CHAT "}",
         "{'messages':[" CALLS "{'role':'user','content':[{'type':'tool_result'," EPHEMERAL
         ",'tool_use_id':'toolu_1','content':[{'type':'image','source':{'type':'url',"
         "'url':'https://a/b'}}]}]}]," TOOLS "}",
         NULL},
        {"audio as result", "claude-4.5",
         "{'messages':[" CALLS_CHAT "{'role':'tool','tool_call_id':'toolu_1',"
         "'content':[{'type':'text','text':'x'},{'type':'input_audio','input_audio':"
         "{'data':'AA=='}}]}]," TOOLS_CHAT "}",
         NULL, "messages[2].content[1]"},
        {"tools of the past", "claude-5.5",
         "{'messages':[" CALLS_CHAT "{'role':'tool','tool_call_id':'toolu_1','content':'1'}]}",
         "{'messages':[" CALLS "{'role':'user','content':[{'type':'tool_result',"
         "'tool_use_id':'toolu_1','content':'1'}]}]," PAST_TOOLS "}",
         NULL},
        {"arguments that are no JSON object", "claude-5.5",
         "{'messages':[{'role':'user','content':'Q'},{'role':'assistant','tool_calls':["
         "{'id':'a','type':'function','function':{'name':'f','arguments':'{\\'x'}},"
         "{'id':'b','type':'function','function':{'name':'f','arguments':'[1]'}}]},"
         "{'role':'user','content':'A'}]," TOOLS_CHAT "}",
         "{'messages':[{'role':'user','content':[{'type':'text','text':'Q'}]},"
         "{'role':'assistant','content':[{'type':'tool_use','id':'a','name':'f','input':"
         "{'arguments':'{\\'x'}},{'type':'tool_use','id':'b','name':'f','input':"
         "{'arguments':'[1]'}}]},{'role':'user','content':[{'type':'text','text':'A'}]}]," TOOLS
         "}",
         NULL},
    };
    (void)state;
    check_cases(cases, ARRAY_LEN(cases));
}

#define SIGNED(text, index)                                                                        \
    "{'type':'reasoning.text','text':'" text "','signature':'S','format':'anthropic-claude-v1',"   \
    "'index':" index "}"
#define LOOP_CHAT(details)                                                                         \
    "{'reasoning_effort':'low'," TOOLS_CHAT ",'messages':[{'role':'user','content':'Q'},"          \
    "{'role':'assistant','content':'T','reasoning_details':[" details                              \
    "],'tool_calls':[{'id':'a','type':'function','function':{'name':'f','arguments':'{}'}},"       \
    "{'id':'b','type':'function','function':{'name':'g','arguments':'{}'}}]},"                     \
    "{'role':'tool','tool_call_id':'a','content':'1'},"                                            \
    "{'role':'tool','tool_call_id':'b','content':'2'}]}"
#define LOOP(thinking, blocks)                                                                     \
    "{" thinking TOOLS ",'messages':[{'role':'user','content':[{'type':'text','text':'Q'}]},"      \
    "{'role':'assistant','content':[" blocks "]},"                                                 \
    "{'role':'user','content':[{'type':'tool_result','tool_use_id':'a','content':'1'},"            \
    "{'type':'tool_result','tool_use_id':'b','content':'2'}]}]}"
#define BUDGET        "'thinking':{'type':'enabled','budget_tokens':2000},"
#define ADAPTIVE      "'thinking':{'type':'adaptive'},'output_config':{'effort':'low'},"
#define THOUGHT(text) "{'type':'thinking','thinking':'" text "','signature':'S'}"
#define BLOCK_T       "{'type':'text','text':'T'}"
#define BLOCK_A       "{'type':'tool_use','id':'a','name':'f','input':{}}"
#define BLOCK_B       "{'type':'tool_use','id':'b','name':'g','input':{}}"

static void test_thoughts_come_back(void **state)
{
    static const struct request_case cases[] = {
        {"first", "claude-4.5", LOOP_CHAT(SIGNED("x", "0")),
         LOOP(BUDGET, THOUGHT("x") "," BLOCK_T "," BLOCK_A "," BLOCK_B), NULL},
        {"where they stood", "claude-4.6",
         LOOP_CHAT(SIGNED("x", "0") "," SIGNED("y", "2") "," SIGNED("z", "4")),
         LOOP(ADAPTIVE,
              THOUGHT("x") "," BLOCK_T "," THOUGHT("y") "," BLOCK_A "," THOUGHT("z") "," BLOCK_B),
         NULL},
        {"never last", "claude-4.6", LOOP_CHAT(SIGNED("x", "9")),
         LOOP(ADAPTIVE, BLOCK_T "," BLOCK_A "," THOUGHT("x") "," BLOCK_B), NULL},
        {"another's counting", "claude-4.6",
         LOOP_CHAT("{'type':'reasoning.encrypted','data':'D'}," SIGNED("", "1")),
         LOOP(ADAPTIVE, "{'type':'redacted_thinking','data':'D'}," THOUGHT(
                            "") "," BLOCK_T "," BLOCK_A "," BLOCK_B),
         NULL},
        {"pieces of a stream", "claude-4.5",
         LOOP_CHAT("{'type':'reasoning.text','text':'a','index':0},"
                   "{'type':'reasoning.text','text':'b','index':0,'signature':null},"
                   "{'type':'reasoning.text','signature':'S','index':0}"),
         LOOP(BUDGET, THOUGHT("ab") "," BLOCK_T "," BLOCK_A "," BLOCK_B), NULL},
        /* Without them a budget is refused in a loop; the adaptive way goes on. */
        {"none", "claude-4.5", LOOP_CHAT(""), LOOP("", BLOCK_T "," BLOCK_A "," BLOCK_B), NULL},
        {"none", "claude-4.6", LOOP_CHAT(""), LOOP(ADAPTIVE, BLOCK_T "," BLOCK_A "," BLOCK_B),
         NULL},
        {"not Claude's, not signed, nonsense", "claude-4.5",
         LOOP_CHAT("{'type':'reasoning.encrypted','data':'D','format':'openai-responses-v1'},"
                   "{'type':'reasoning.text','text':'x'},{'type':'reasoning.summary'},5,null,"
                   "{'type':'reasoning.encrypted','data':7},{'type':8,'format':9}"),
         LOOP("", BLOCK_T "," BLOCK_A "," BLOCK_B), NULL},
    };
    (void)state;
    check_cases(cases, ARRAY_LEN(cases));
}

#define TWO_TURNS_CHAT(more)                                                                       \
    "{" more "'messages':[{'role':'user','content':'Q'},{'role':'assistant','content':'T',"        \
    "'reasoning_details':[" SIGNED("x", "0") "]},{'role':'user','content':'R'}]}"
#define TWO_TURNS(more, thought)                                                                   \
    "{" more "'messages':[{'role':'user','content':[{'type':'text','text':'Q'}]},"                 \
    "{'role':'assistant','content':[" thought BLOCK_T "]},"                                        \
    "{'role':'user','content':[{'type':'text','text':'R'}]}]}"

static void test_thoughts_of_earlier_turns(void **state)
{
    static const struct request_case cases[] = {
        {"kept", "claude-5", TWO_TURNS_CHAT(""), TWO_TURNS("", THOUGHT("x") ","), NULL},
        {"thinking is off", "claude-4.6", TWO_TURNS_CHAT(""), TWO_TURNS("", ""), NULL},
        {"thinking is off", "claude-5", TWO_TURNS_CHAT("'reasoning_effort':'none',"),
         TWO_TURNS("'thinking':{'type':'disabled'},", ""), NULL},
        {"bound to what was before", "claude-5.5", TWO_TURNS_CHAT(""), TWO_TURNS("", ""), NULL},
        {"bound, in the turn under way", "claude-5.5", LOOP_CHAT(SIGNED("x", "0")),
         LOOP("'thinking':{'type':'adaptive','display':'summarized'},"
              "'output_config':{'effort':'low'},",
              THOUGHT("x") "," BLOCK_T "," BLOCK_A "," BLOCK_B),
         NULL},
    };
    (void)state;
    check_cases(cases, ARRAY_LEN(cases));
}

/* Where tools or system prompt are not those of the turn's beginning, or may not be. */
static void test_bound_thoughts_stay_behind(void **state)
{
    static const char messages_chat[] =
        "'messages':[{'role':'user','content':'Q'},{'role':'assistant','reasoning_details':"
        "[" SIGNED("x",
                   "0") "],'tool_calls':[{'id':'a','type':'function','function':{'name':'f',"
                        "'arguments':'{}'}}]},{'role':'tool','tool_call_id':'a','content':'1'}]";
    static const struct {
        const char *more;
        const char *dialect;
        bool sent;
    } rows[] = {
        {TOOLS_CHAT ",", "claude-5.5", true},
        {TOOLS_CHAT ",'tool_choice':'none',", "claude-5.5", true},
        {TOOLS_CHAT ",'tool_choice':'required',", "claude-5.5", false},
        {TOOLS_CHAT "," NAMED ",", "claude-sonnet-5.5", false},
        {TOOLS_CHAT "," NAMED ",", "claude-haiku-5.5", true},
        {TOOLS_CHAT "," NAMED ",", "claude-5", false}, /* does not think then */
        {"", "claude-5.5", false},
        {"", "claude-5", true},
        {TOOLS_CHAT ",'reasoning_effort':'none',", "claude-sonnet-5.5", true},
        {TOOLS_CHAT ",'reasoning_effort':'none',", "claude-haiku-5.5", false},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        char text[2048];
        struct err err;
        snprintf(text, sizeof text, "{'model':'x',%s%s}", rows[i].more, messages_chat);
        struct json_object *chat = json(text);
        struct json_object *out = write_chat(chat, "up", rows[i].dialect, 4096, &err);
        assert_non_null(out);
        const char *sent = json_object_to_json_string(jsonx_get(out, "messages"));
        if ((strstr(sent, "\"thinking\"") != NULL) != rows[i].sent)
            fail_msg("row %zu: %s", i, sent);
        json_object_put(out);
        json_object_put(chat);
    }
}

static void test_unknown_dialect(void **state)
{
    struct json_object *chat = json("{'model':'x','messages':" HI_CHAT "}");
    struct err err;

    (void)state;
    assert_null(write_chat(chat, "up", "no-such", 10, &err));
    assert_int_equal(err.status, 500);
    json_object_put(chat);
}

/* A long conversation without a user must not take square time. */
static void test_many_messages(void **state)
{
    enum { MESSAGES = 20 * 1000 };
    struct json_object *chat = json("{'model':'x','reasoning_effort':'low'}");
    struct json_object *list = json_object_new_array();
    struct err err;

    (void)state;
    for (int i = 0; i < MESSAGES; i++)
        json_object_array_add(
            list, json("{'role':'assistant','content':'a','tool_calls':[{'id':'a','type':"
                       "'function','function':{'name':'f','arguments':'{}'}}]}"));
    json_object_array_add(list, json("{'role':'tool','tool_call_id':'a','content':'x'}"));
    jsonx_set(chat, "messages", list);
    struct json_object *out = write_chat(chat, "up", "claude-5.5", 10, &err);
    assert_int_equal(json_object_array_length(jsonx_array(out, "messages")), 3);
    assert_int_equal(json_object_array_length(jsonx_array(out, "tools")), 1);
    json_object_put(out);
    json_object_put(chat);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_plain_fields),
        cmocka_unit_test(test_sampling),
        cmocka_unit_test(test_thinking),
        cmocka_unit_test(test_budget_is_below_the_limit),
        cmocka_unit_test(test_tools),
        cmocka_unit_test(test_forced_choice_by_generation),
        cmocka_unit_test(test_output),
        cmocka_unit_test(test_system_and_turns),
        cmocka_unit_test(test_media),
        cmocka_unit_test(test_results),
        cmocka_unit_test(test_thoughts_come_back),
        cmocka_unit_test(test_thoughts_of_earlier_turns),
        cmocka_unit_test(test_bound_thoughts_stay_behind),
        cmocka_unit_test(test_unknown_dialect),
        cmocka_unit_test(test_many_messages),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
