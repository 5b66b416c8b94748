// What Clang checks with -Wthread-safety: which lock protects what, and who must hold it. Other
// compilers see nothing of it.
// The names and their meaning: https://clang.llvm.org/docs/ThreadSafetyAnalysis.html
#pragma once

#if defined(__clang__)
#define WHIMBREL_THREAD_SAFETY(attribute) __attribute__((attribute))
#else
#define WHIMBREL_THREAD_SAFETY(attribute)
#endif

#define CAPABILITY(name) WHIMBREL_THREAD_SAFETY(capability(name))
#define SCOPED_CAPABILITY WHIMBREL_THREAD_SAFETY(scoped_lockable)
#define GUARDED_BY(mutex) WHIMBREL_THREAD_SAFETY(guarded_by(mutex))
#define PT_GUARDED_BY(mutex) WHIMBREL_THREAD_SAFETY(pt_guarded_by(mutex))
#define REQUIRES(...) WHIMBREL_THREAD_SAFETY(requires_capability(__VA_ARGS__))
#define EXCLUDES(...) WHIMBREL_THREAD_SAFETY(locks_excluded(__VA_ARGS__))
#define ACQUIRE(...) WHIMBREL_THREAD_SAFETY(acquire_capability(__VA_ARGS__))
#define RELEASE(...) WHIMBREL_THREAD_SAFETY(release_capability(__VA_ARGS__))
#define TRY_ACQUIRE(...) WHIMBREL_THREAD_SAFETY(try_acquire_capability(__VA_ARGS__))
#define ACQUIRED_BEFORE(...) WHIMBREL_THREAD_SAFETY(acquired_before(__VA_ARGS__))
// What the check cannot follow; a comment beside it says why it is right.
#define NO_THREAD_SAFETY_ANALYSIS WHIMBREL_THREAD_SAFETY(no_thread_safety_analysis)
