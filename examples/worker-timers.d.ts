// What MQTT.js says of its timers, for tsconfig.json: the types of the real package want those of a browser.
export declare function setInterval(callback: () => void, delay?: number): number;
export declare function clearInterval(timer: number): void;
