"""The right to be on time: real-time scheduling where the system grants it, silently the ordinary where not."""

from __future__ import annotations

import os
import sys

FIFO_PRIORITY = 50  # of 1..99: above ordinary threads, below those of JACK and the kernel
HIGH_PRIORITY_CLASS = 0x80  # Windows
THREAD_PRIORITY_TIME_CRITICAL = 15  # Windows
TIMER_MILLISECONDS = 1  # Windows: resolution of waits


def raise_priority() -> bool:
    """Put the calling thread before ordinary ones. Returns whether that was allowed."""
    if sys.platform == "win32":
        import ctypes

        kernel = ctypes.windll.kernel32
        this_process, this_thread = ctypes.c_void_p(-1), ctypes.c_void_p(-2)  # their fixed stand-in handles
        ctypes.windll.winmm.timeBeginPeriod(TIMER_MILLISECONDS)
        kernel.SetPriorityClass(this_process, HIGH_PRIORITY_CLASS)
        return bool(kernel.SetThreadPriority(this_thread, THREAD_PRIORITY_TIME_CRITICAL))
    if not hasattr(os, "sched_setscheduler"):
        return False
    try:
        os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(FIFO_PRIORITY))
    except OSError:
        return False
    return True
