typedef unsigned int u32;

typedef _Bool bool_t;

enum small {
	NEGATIVE = -1,
	ONE = 1,
	BIG = 2147483647,
};

enum plain {
	A = 0,
	B = 200,
	C = 4294967295,
};

enum tiny {
	T0 = 0,
	T1 = 255,
} __attribute__((packed));

enum wide {
	W0 = 1099511627776LL,
	W1 = -1LL,
};

struct list;
struct list {
	struct list *next; /* 0 */
	struct list *prev; /* 8 */
}; /* 16 bytes */

struct bits {
	unsigned int a : 3; /* 0:0 */
	unsigned int b : 29; /* 0:3 */
	long int c : 40; /* 8:0 */
	struct {
		unsigned char d : 1; /* 0:0 */
		unsigned char e : 7; /* 0:1 */
	}; /* 13 */
	union {
		int f : 5; /* 0:0 */
		u32 g; /* 0 */
	}; /* 16 */
	bool_t h : 1; /* 20:0 */
	signed char last; /* 21 */
}; /* 24 bytes */

struct declared;
union declared_u;
struct holder;
struct holder {
	struct list list; /* 0 */
	struct declared *declared; /* 16 */
	union declared_u *declared_u; /* 24 */
	int (*fn)(const char *, struct holder *, ...); /* 32 */
	void (*none)(void); /* 40 */
	void (*old)(...); /* 48 */
	volatile const u32 *const volatile cv; /* 56 */
	char *restrict r; /* 64 */
	enum small small; /* 72 */
	enum plain plain; /* 76 */
	enum tiny tiny; /* 80 */
	enum wide wide; /* 88 */
	float f; /* 96 */
	double d; /* 104 */
	long double ld; /* 112 */
	__int128 i128; /* 128 */
	bool_t b; /* 144 */
	struct {
		union {
			int x; /* 0 */
			char y[4]; /* 0 */
		}; /* 0 */
	} anonymous[2]; /* 148 */
	int matrix[2][3][4]; /* 156 */
	short int zero[0]; /* 252 */
	long long unsigned int flexible[0]; /* 256 */
}; /* 256 bytes */

typedef struct {
	int only; /* 0 */
} typedef_only;

union all {
	struct bits bits; /* 0 */
	typedef_only t; /* 0 */
	void *p; /* 0 */
}; /* 24 bytes */

struct empty {
}; /* 0 bytes */

struct in_function;
struct in_function {
	int n; /* 0 */
	struct in_function *self; /* 8 */
}; /* 16 bytes */

int local(int n);
