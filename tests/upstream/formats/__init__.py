# SPDX-License-Identifier: Apache-2.0
"""Each provider's requests, answers, streams and errors.

A format is a module with
  read(ask, body, headers)      fills ask from the request, raises Refuse as the provider would refuse
  plain(ask, answer)            the whole answer as a JSON value
  events(ask, answer)           the stream as an iterator of bytes (one event or comment each)
  error(ask, status, fields)    the body of an error answer
  error_event(ask, fields)      an error in mid-stream, bytes
  text_event(ask, text)         one event with that much text, bytes
"""

from . import chat, counting, embeddings, gemini, media, messages, responses

BY_API = {"chat": chat, "responses": responses, "messages": messages, "count": counting, "generate": gemini, "embeddings": embeddings,
          "task": media, "record": media}
