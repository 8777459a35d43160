/** How many consumers a load needs, for engines that have their consumers elsewhere. */
export { targetConsumers } from '../pool/autoscaler.ts';
