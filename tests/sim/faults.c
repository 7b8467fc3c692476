#include "tests/sim/faults.h"

const char *fault_name(enum fault fault)
{
	static const char *const names[FAULT_COUNT] = {
		[FAULT_LOSS] = "loss",         [FAULT_DUPLICATE] = "duplicate",
		[FAULT_DISORDER] = "disorder", [FAULT_DELAY] = "delay",
		[FAULT_CUT] = "cut",           [FAULT_PARTITION] = "partition",
		[FAULT_POWER] = "power",       [FAULT_KILL] = "kill",
		[FAULT_MIDST] = "midst",       [FAULT_STOP] = "stop",
		[FAULT_PAUSE] = "pause",       [FAULT_ERROR] = "error",
		[FAULT_FULL] = "full",         [FAULT_SLOW] = "slow",
		[FAULT_ROT] = "rot",           [FAULT_CLOCK] = "clock",
		[FAULT_JOIN] = "join",         [FAULT_REMOVE] = "remove",
		[FAULT_REPLACE] = "replace",   [FAULT_ROLE] = "role",
		[FAULT_TRANSFER] = "transfer", [FAULT_TRIM] = "trim",
		[FAULT_RETAIN] = "retain",     [FAULT_ALIEN] = "alien",
		[FAULT_AWAY] = "away",
	};
	return names[fault];
}
