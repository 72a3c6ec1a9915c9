/* Everything of Kioto's core. HTTP and TLS, which bring libraries of their own, are apart. */
#ifndef KIOTO_H
#define KIOTO_H

#include "kioto/abortable.h"
#include "kioto/async.h"
#include "kioto/broadcast.h"
#include "kioto/channel.h"
#include "kioto/combine.h"
#include "kioto/debug.h"
#include "kioto/delay_queue.h"
#include "kioto/future_queue.h"
#include "kioto/io.h"
#include "kioto/iter.h"
#include "kioto/join_set.h"
#include "kioto/local.h"
#include "kioto/metrics.h"
#include "kioto/net.h"
#include "kioto/runtime.h"
#include "kioto/scope.h"
#include "kioto/shared.h"
#include "kioto/sync.h"
#include "kioto/task.h"
#include "kioto/task_local.h"
#include "kioto/task_tracker.h"
#include "kioto/time.h"
#include "kioto/watch.h"

#endif
