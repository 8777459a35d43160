/**
 * A first collector. A queue takes payloads, its collectors work on them, and each send gives an event that settles to
 * the results: one for each collector that took the payload.
 */
import { Collector, CollectorQueue, err, ok, Payload } from 'collector-queue';

interface Reading {
  readonly sensor: string;
  readonly celsius: number;
}

// What goes well is an `ok` (or a bare value), what goes wrong as a matter of course an `err`; both keep their types.
const temperature = new Collector('temperature', async ({ value }: Payload<Reading>) => {
  if (value.celsius < -90 || value.celsius > 60) return err(`${value.sensor}: ${value.celsius} °C is not the weather`);
  return ok({ sensor: value.sensor, fahrenheit: value.celsius * 1.8 + 32 });
});

const queue = new CollectorQueue([temperature], { maxConsumers: 16 });

// `run` sets the collectors up, runs the body, finishes what was accepted and shuts down, also if the body throws.
// A service calls `initQueue` and `shutDownQueue` itself instead: see 08-http-service.ts.
await queue.run(async (publisher) => {
  // A send does not wait: it gives the event at once. `wait` does.
  const event = publisher.send(new Payload({ sensor: 'roof', celsius: 21.5 }));
  const results = await event.wait();
  console.log(`${results.length} result for one payload`);

  const readings: Reading[] = [
    { sensor: 'cellar', celsius: 12 },
    { sensor: 'garden', celsius: 451 },
    { sensor: 'attic', celsius: 30.5 },
  ];
  // Waiting belongs after the sends: in a loop it would put one payload after the other.
  const events = readings.map((reading) => publisher.publish(reading));
  for (const sent of events) {
    (await sent.wait()).get('temperature')?.match(
      ({ sensor, fahrenheit }) => console.log(`${sensor}: ${fahrenheit.toFixed(1)} °F`),
      (error) => console.log(`refused: ${error}`),
    );
  }
});

/* Output:
1 result for one payload
cellar: 53.6 °F
refused: garden: 451 °C is not the weather
attic: 86.9 °F
*/
