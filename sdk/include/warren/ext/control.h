/* Requests of the control API that a plugin answers: what a service shows to people and programs.
 *
 * The host serves them under /v1/networks/{network}/plugins/{name}/…, checks who may call, and
 * passes on JSON. */
#ifndef WARREN_EXT_CONTROL_H
#define WARREN_EXT_CONTROL_H
#include "../plugin.h"
WRN_BEGIN

#define WRN_CONTROL_REQUEST_MAX 65536u
#define WRN_CONTROL_ANSWER_MAX (1u << 20u)

/* [lends] */
typedef struct wrn_request {
   wrn_str method; /* "GET" or "POST" */
   wrn_str path;   /* what follows the plugin's name, decoded: "/" or "/notes" */
   wrn_str body;   /* JSON that the host has parsed without error; empty for GET */
} wrn_request;

#define WRN_EXT_CONTROL "warren.control/1"
typedef struct wrn_control {
   /* Answer by respond(), now or within 10 s; then the host answers that the plugin did not.
    * [io & active] */
   void(WRN_CALL* on_request)(const wrn_plugin* plugin, wrn_handle request,
                              const wrn_request* what);
} wrn_control;

#define WRN_HOST_CONTROL "warren.host.control/1"
typedef struct wrn_host_control {
   /* Ends the request. status: 200..599 of HTTP. json is the body: of an error, an object with
    * "detail". WRN_E_NOT_FOUND: answered already, or its time is over; WRN_E_INVALID: not JSON, or
    * a status out of range (the caller then gets 500); WRN_E_TOO_BIG. [io & active] [lends] */
   wrn_status(WRN_CALL* respond)(const wrn_host* host, wrn_handle request, uint32_t status,
                                 wrn_str json);
} wrn_host_control;

WRN_END
#endif
