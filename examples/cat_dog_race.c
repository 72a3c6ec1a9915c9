/*
 * Select: a cat and a dog send their names, after 500 ms and after 50; the first one wins.
 *
 * The two receives belong to the select, which drops the loser's: no message is lost by that.
 */
#include <kioto.h>

#include <stdio.h>

struct animal {
    enum { NONE, CAT, DOG } kind;
    const char *name;
};

struct first_animal_to_finish_race {
    async_fn(struct animal);
    struct kio_rx cat_rcv, dog_rcv;

    struct kio_recv cat, dog;
    const char *cat_name, *dog_name;
    struct kio_select race;
};

static void race_drop(struct first_animal_to_finish_race *self)
{
    kio_rx_drop(&self->cat_rcv);
    kio_rx_drop(&self->dog_rcv);
}

async(first_animal_to_finish_race, race_drop)
{
    async_begin;
    await(kio_select(&self->race,
                     kio_recv(&self->cat, &self->cat_rcv, &self->cat_name),
                     kio_recv(&self->dog, &self->dog_rcv, &self->dog_name)));
    switch (self->race.out) {
    case 0:
        async_return((struct animal){ self->cat.out ? CAT : NONE, self->cat_name });
    default:
        async_return((struct animal){ self->dog.out ? DOG : NONE, self->dog_name });
    }
}

struct runner {
    async_fn(void);
    struct kio_tx finish;
    kio_duration time;
    const char *name;

    struct kio_sleep run;
    struct kio_send send;
};

static void runner_drop(struct runner *self)
{
    kio_tx_drop(&self->finish);
}

async(runner, runner_drop)
{
    async_begin;
    await(kio_sleep(&self->run, self->time));
    await(kio_send(&self->send, &self->finish, &self->name));
    async_return(); /* -EPIPE for the one who comes second: the race is over */
}

struct async_main {
    async_fn(int);
    struct first_animal_to_finish_race race;
};

async(async_main)
{
    struct kio_tx cat_sender, dog_sender;
    struct kio_rx cat_receiver, dog_receiver;

    async_begin;
    if (kio_mpsc_channel(&cat_sender, &cat_receiver, sizeof(const char *), 32))
        async_return(1);
    if (kio_mpsc_channel(&dog_sender, &dog_receiver, sizeof(const char *), 32)) {
        kio_tx_drop(&cat_sender);
        kio_rx_drop(&cat_receiver);
        async_return(1);
    }
    kio_spawn(NULL, runner, .finish = cat_sender, .time = 500 * KIO_MS, .name = "Felix");
    kio_spawn(NULL, runner, .finish = dog_sender, .time = 50 * KIO_MS, .name = "Rex");
    await(async_call(&self->race, first_animal_to_finish_race, .cat_rcv = cat_receiver,
                     .dog_rcv = dog_receiver));
    if (self->race.out.kind == NONE)
        async_return(1);
    printf("Winner is %s { name: \"%s\" }\n", self->race.out.kind == CAT ? "Cat" : "Dog",
           self->race.out.name);
    async_return(0);
}

kio_main(async_main)
