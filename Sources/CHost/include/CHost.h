#ifndef C_HOST_H
#define C_HOST_H
#endif
