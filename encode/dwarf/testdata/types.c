// Declarations of every kind that C has, and code that gives location lists.
typedef unsigned long size_t;
typedef struct list { struct list *next, *prev; } list_t;
enum color { RED = -1, GREEN, BLUE = 0x7fffffff };
enum big { HUGE_VALUE = 0x123456789abcdefULL };
struct flags { unsigned a : 3, b : 7; long c : 40; signed char d : 2; } __attribute__((packed));
union number { int i; float f; double d; long double ld; _Bool b; char bytes[16]; };
struct flexible { int n; const char *volatile name; int (*ops[4])(struct flexible *, ...); long matrix[3][5]; char tail[]; };
struct forward;
extern struct forward *unknown;
typedef int vector_t __attribute__((vector_size(16)));
vector_t vector;
static const char banner[] = "banner";
__thread int per_thread = 3;
int weak_one __attribute__((weak)) = 1;
static struct flexible table = { .n = 2 };
extern int elsewhere[];
int *common_pointer = elsewhere;
list_t head = { &head, &head };
enum color paint = RED;
enum big size_of_it = HUGE_VALUE;
union number numbers[7];

static inline int twice(int x) { int y = x + x; return y; }

__attribute__((noinline)) static int helper(int a, long b, struct flags f, const void *restrict p)
{
	static int calls;
	struct local { int q; } l = { a };
	for (int i = 0; i < b; i++) {
		char vla[a + 1];
		vla[0] = (char)i;
		l.q += vla[0] + f.a + *(const int *)p;
	}
	return l.q + ++calls;
}

int entry(int argc, char **argv, ...)
{
	struct flags f = { .a = 1 };
	int total = twice(argc) + helper(argc, 3, f, argv);
	if (__builtin_expect(total < 0, 0))
		__builtin_trap();
	unknown = 0;
	table.n = banner[argc] + per_thread + vector[1];
	return total + (int)sizeof(size_t);
}
